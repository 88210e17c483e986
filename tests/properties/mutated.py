"""Values as files hold them, and files' contents with some of their values changed."""

import copy

from hypothesis import strategies as st

_NUMBERS = st.one_of(
    st.integers(-3, 300), st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**30]),
    st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, 1e308, 1e-320]),
)  # fmt: skip
_SCALARS = st.one_of(
    st.none(), st.booleans(), _NUMBERS, st.text(max_size=9), st.sampled_from(["x" * 3000, "\n\n", "~"])
)
_KEYS = st.one_of(st.text(max_size=6), st.sampled_from(["name", "space", "arch", "num_classes", "width", "set"]))
VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3), max_leaves=6
)


@st.composite
def mutated(draw, content):
    """`content`, of mappings, lists and scalars, with one to three values replaced, removed or renamed."""
    content = copy.deepcopy(content)
    for _ in range(draw(st.integers(1, 3))):
        place, parent = _draw_place(draw, content)
        if parent is None:
            content = draw(VALUES)
            if not isinstance(content, dict | list):
                return content
            continue
        change = draw(st.sampled_from(["replace", "replace", "remove", "rename"]))
        if change == "replace":
            parent[place] = draw(VALUES)
        elif change == "rename" and isinstance(parent, dict):
            parent[draw(_KEYS)] = parent.pop(place)
        else:
            del parent[place]
    return content


def _draw_place(draw, content):
    """A key or index and what holds it, anywhere in the content; (None, None) for the whole, now and then."""
    places = list(_places(content))
    if not places or draw(st.integers(0, 30)) == 0:
        return None, None
    return draw(st.sampled_from(places))


def _places(content):
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        yield key, content
        yield from _places(value)
