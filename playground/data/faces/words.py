"""A face in words."""

from __future__ import annotations

from playground.data.faces.catalogue import Face, check_face

MOOD = {
    "smile": "smiling",
    "grin": "grinning",
    "neutral": "calm",
    "sad": "sad-looking",
    "open": "surprised",
}
HAIR_WORDS = {
    "short": "short {} hair",
    "spiky": "spiky {} hair",
    "parted": "parted {} hair",
    "bob": "a {} bob",
    "long": "long {} hair",
    "curly": "curly {} hair",
    "afro": "a {} afro",
    "bun": "{} hair in a bun",
    "pigtails": "{} pigtails",
    "bald": "a bald head, {} brows",
}
EARRING_WORDS = {"studs": "turquoise studs", "hoops": "gold hoops"}
CLOTHES_WORDS = {
    "t-shirt": "t-shirt",
    "hoodie": "hoodie",
    "collar": "shirt with a collar",
    "stripes": "striped t-shirt",
    "turtleneck": "turtleneck",
    "dungarees": "dungarees",
}


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _listing(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def describe(face: Face) -> str:
    """One English sentence with what is easy to see.  (It leaves out the face, nose and brow shapes.)"""
    check_face(face)
    a = face.attributes
    has = [f"{a['skin']} skin", HAIR_WORDS[a["hair"]].format(a["hair_colour"])]
    if a["glasses"] != "dark":  # those hide the eyes
        has.append(f"{a['eyes']} {a['eye_colour']} eyes")
    if a["facial_hair"] != "none":
        has.append(_article(f"{a['hair_colour']} {a['facial_hair']}"))
    if a["glasses"] != "none":
        has.append(f"{a['glasses']} glasses")
    if a["earrings"] != "none":
        has.append(EARRING_WORDS[a["earrings"]])
    if a["hat"] != "none":
        has.append(_article(a["hat"]))
    outfit = f"{a['clothes_colour']} {CLOTHES_WORDS[a['clothes']]}"
    outfit = outfit if a["clothes"] == "dungarees" else _article(outfit)
    who = _article(MOOD[a["mouth"]]).capitalize()
    place = _article(f"{a['background']} background")
    return f"{who} person with {_listing(has)}, in {outfit}, against {place}."
