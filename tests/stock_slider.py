"""The usual way to show a model in Gradio: a slider, a picture, an event. `python -m playground benchmark` opens it."""

import argparse

import gradio as gr
import torch

from playground import Engine

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--device", default="auto")
parser.add_argument("--model", default="vae-mnist-2d")
given = parser.parse_args()
engine = Engine(given.device)
model = engine.model(given.model)


def decode(x):
    z = torch.zeros(1, model.latents([0]).shape[1])
    z[0, 0] = x
    return (engine.call(lambda: model.decode(z))[0, 0].cpu() * 255).byte().numpy()


with gr.Blocks() as page:
    slider = gr.Slider(-3, 3, 0, step=0.01, label="First latent", elem_id="slider")
    picture = gr.Image(elem_id="picture", height=300)
    slider.input(decode, slider, picture)

page.launch(server_port=given.port, quiet=True)
