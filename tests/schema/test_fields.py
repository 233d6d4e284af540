"""The reader of JSON objects: a field is returned or an error of the chosen class with its path."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom_py.errors import ConfigError, FormatError, InputError, LoomError, ModelError, TokenizerError
from loom_py.schema.fields import CONFIG, FILE, LOOSE, MAX_INT, Fields, Rules, json_type, range_fault, shown, suggest
from loom_py.schema.names import fold, pascal

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
GETTERS: dict[str, tuple[Callable[[Fields], Any], Callable[[Any], bool]]] = {
    "integer": (
        lambda f: f.integer("x", minimum=-5, maximum=9),
        lambda v: type(v) in (int, float) and math.isfinite(v) and v == int(v) and -5 <= v <= 9,
    ),
    "integers": (
        lambda f: f.integers("x", minimum=-5, maximum=9),
        lambda v: (
            isinstance(v, list)
            and all(type(n) in (int, float) and math.isfinite(n) and n == int(n) and -5 <= n <= 9 for n in v)
        ),
    ),
    "number": (
        lambda f: f.number("x", minimum=-1, below=1),
        lambda v: type(v) in (int, float) and -1 <= v < 1,
    ),
    "string": (lambda f: f.string("x"), lambda v: isinstance(v, str)),
    "choice": (lambda f: f.string("x", choices=("a", "b")), lambda v: v in ("a", "b")),
    "boolean": (lambda f: f.boolean("x", default=...), lambda v: isinstance(v, bool)),
    "array": (lambda f: f.array("x"), lambda v: isinstance(v, list)),
    "object": (lambda f: f.object("x").values, lambda v: isinstance(v, dict)),
    "objects": (
        lambda f: [item.values for item in f.objects("x", required=True)],
        lambda v: isinstance(v, list) and all(isinstance(item, dict) for item in v),
    ),
}
CLASSES = [ConfigError, FormatError, InputError, ModelError, TokenizerError]


@pytest.mark.parametrize("getter", GETTERS)
@given(value=JSON, kind=st.sampled_from(CLASSES))
def test_a_value_is_returned_or_refused_with_its_place(getter: str, value: Any, kind: type[LoomError]) -> None:
    read, fits = GETTERS[getter]
    f = Fields({"x": value}, "layers[1]", file="n.json", rules=Rules(error=kind))
    if fits(value):
        assert read(f) == value
        return
    with pytest.raises(kind) as caught:
        read(f)
    assert type(caught.value) is kind
    assert caught.value.where.startswith("n.json at layers[1].x")
    assert caught.value.message.startswith(("expected ", "unknown value ")) or " must be " in caught.value.message


@pytest.mark.parametrize("getter", GETTERS)
def test_what_is_missing_is_required_unless_there_is_a_default(getter: str) -> None:
    read, _ = GETTERS[getter]
    with pytest.raises(ConfigError, match=r"^layers\[1\]\.x: missing: .* is required"):
        read(Fields({"y": 1}, "layers[1]"))
    with pytest.raises(ConfigError, match=r"^layers\[1\]\.x: expected .*, got null"):
        read(Fields({"x": None}, "layers[1]"))


def test_base64() -> None:
    assert Fields({"x": "AAEC"}).base64("x") == bytes([0, 1, 2])
    for value in ("AAE", "%%%%", "A", "é"):
        with pytest.raises(ConfigError, match=r"^x: expected base64 \("):
            Fields({"x": value}).base64("x")
    with pytest.raises(ConfigError, match=r"^x: expected a string, got a number"):
        Fields({"x": 1}).base64("x")
    with pytest.raises(ConfigError, match=r"^x: missing: a base64 string is required"):
        Fields({}).base64("x")


def test_the_outermost_object_is_called_as_the_rules_say() -> None:
    with pytest.raises(ConfigError, match=r"^config: expected an object, got an array"):
        Fields([])
    with pytest.raises(ConfigError, match=r"^bundle: expected an object, got an array"):
        Fields([], rules=Rules(root="bundle"))


@pytest.mark.parametrize("rules", [CONFIG, LOOSE])
def test_null_is_no_number_outside_of_files(rules: Rules) -> None:
    """It is how JavaScript writes NaN and infinities."""
    f = Fields({"x": None}, "config", rules=rules)
    for read in (f.integer, f.number):
        with pytest.raises(ConfigError, match=r"^config\.x: expected a .*number, got null"):
            read("y", "x", default=7)
        assert read("x", default=None) is None


@pytest.mark.parametrize("value", [{}, {"x": None}])
def test_defaults(value: Any) -> None:
    f = Fields(value)
    file = Fields(value, rules=FILE)
    assert file.integer("x", default=7) == 7
    assert file.number("x", default=-3.5, minimum=0) == -3.5  # the caller's own default is not checked
    assert f.string("x", default="y", choices=("z",)) == "y"
    assert f.boolean("x") is False
    assert f.boolean("x", default=True) is True
    assert f.array("x", default=(1,)) == [1]
    assert f.integers("x", default=(1,)) == [1]
    assert f.objects("x") == []
    assert [f.integer("x", default=None), f.number("x", default=None), f.string("x", default=None)] == [None] * 3
    assert f.array("x", default=None) is f.integers("x", default=None) is f.any("x") is None
    assert not f.has("x")


def test_the_first_name_that_is_present_wins() -> None:
    f = Fields({"a": None, "b": 2, "c": 3})
    assert f.integer("a", "b", "c") == 2
    f.finish()
    with pytest.raises(ConfigError, match=r"^z: missing"):
        f.integer("z", "y")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda f: f.integer("three"), "three: expected a whole number, got a string"),
        (lambda f: f.integer("half"), "half: expected a whole number, got 0.5"),
        (lambda f: f.integer("yes"), "yes: expected a whole number, got a boolean"),
        (lambda f: f.integer("nan"), "nan: expected a whole number, got nan"),
        (lambda f: f.integer("minus"), "minus: -1 must be at least 1"),
        (lambda f: f.integer("huge"), f"huge: a number with very many digits must be at least 1 and at most {MAX_INT}"),
        (lambda f: f.integer("four", maximum=3), "four: 4 must be at least 1 and at most 3"),
        (lambda f: f.number("nan"), "nan: expected a finite number, got nan"),
        (lambda f: f.number("huge"), "huge: expected a finite number, got a number with very many digits"),
        (lambda f: f.number("three"), "three: expected a finite number, got a string"),
        (lambda f: f.number("half", above=0.5), "half: 0.5 must be above 0.5"),
        (lambda f: f.number("half", minimum=0, below=0.5), "half: 0.5 must be at least 0 and below 0.5"),
        (lambda f: f.string("half"), "half: expected a string, got a number"),
        (lambda f: f.string("three", choices=("2", "33")), "three: unknown value '3'. Did you mean '33'?"),
        (lambda f: f.boolean("four"), "four: expected true or false, got a number"),
        (lambda f: f.array("four"), "four: expected an array, got a number"),
        (lambda f: f.object("array"), "array: expected an object, got an array"),
        (lambda f: f.objects("array"), "array[0]: expected an object, got a number"),
        (lambda f: f.integers("array"), "array[1]: expected a whole number, got a string"),
        (lambda f: f.finish(), "array: unknown key 'array'"),
    ],
)
def test_the_same_fault_reads_the_same(read: Callable[[Fields], Any], message: str) -> None:
    values = {"array": [4, "4"], "three": "3", "half": 0.5, "yes": True, "nan": math.nan, "minus": -1, "four": 4}
    with pytest.raises(ConfigError) as caught:
        read(Fields(values | {"huge": 10**5000}))
    assert str(caught.value).startswith(message)


@given(st.integers(-(2**53), 2**53))
def test_whole_floats_count_unless_the_document_is_read_exactly(n: int) -> None:
    wide = {"minimum": -(2**53), "maximum": 2**53}
    assert Fields({"x": float(n)}).integer("x", **wide) == n
    with pytest.raises(FormatError, match="expected a whole number"):
        Fields({"x": float(n)}, file="n.json", rules=FILE).integer("x", **wide)
    assert Fields({"x": n}, file="n.json", rules=FILE).integer("x", **wide) == n


@given(st.lists(st.from_regex(r"[a-z]{1,4}(_[a-z]{1,4}){0,2}", fullmatch=True), min_size=1, max_size=5, unique_by=fold))
def test_loose_keys(names: list[str]) -> None:
    for spell in (str, pascal, str.upper, fold):
        f = Fields({spell(name): i for i, name in enumerate(names, 1)}, "c", rules=LOOSE)
        assert [f.integer(pascal(name)) for name in names] == list(range(1, len(names) + 1))
        f.finish()
        assert f.rest() == {}
        assert f.at(pascal(names[0])) == f"c.{spell(names[0])}"  # the place has the key as the file spells it


def test_loose_keys_are_an_option_of_one_object() -> None:
    value = {"Outer": {"Inner": 1}, "flag": 1}
    f = Fields(value, "c", rules=LOOSE)
    assert f.boolean("Flag") is True
    with pytest.raises(ConfigError, match=r"c\.Outer\.inner: missing"):
        f.object("outer").integer("inner")
    with pytest.raises(ConfigError, match=r"^c\.outer: missing"):
        Fields(value, "c").object("outer")
    with pytest.raises(ConfigError, match=r"^c\.a_b: the same key as 'AB'\. Keep one of them\."):
        Fields({"AB": 1, "a_b": 1}, "c", rules=LOOSE)
    f = Fields({"learnin_rate": 1}, "c", rules=LOOSE)
    f.any("LearningRate")
    with pytest.raises(
        ConfigError, match=r"^c\.learnin_rate: unknown key 'learnin_rate'\. Did you mean 'LearningRate'"
    ):
        f.finish()


@given(st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=6, unique=True), st.data())
def test_finish_names_a_key_that_was_not_read(keys: list[str], data: st.DataObject) -> None:
    asked = data.draw(st.sets(st.sampled_from(keys)))
    f = Fields(dict.fromkeys(keys, 1))
    for key in asked:
        assert f.integer(key) == 1
    left = [key for key in keys if key not in asked]
    assert f.rest() == dict.fromkeys(left, 1)
    if not left:
        f.finish()
    else:
        with pytest.raises(ConfigError) as caught:
            f.finish()
        assert caught.value.message == f"unknown key {left[0]!r}"


def test_has_does_not_count_as_reading() -> None:
    f = Fields({"x": 1})
    assert f.has("y", "x")
    with pytest.raises(ConfigError, match="unknown key 'x'"):
        f.finish()


def test_places_of_objects_below() -> None:
    root = Fields({"a b": [{"c": {"d": "x"}}]}, file="n.json", rules=FILE)
    assert root.path == ""
    assert root.at() == "n.json at its root"
    inner = root.objects("a b")[0].object("c")
    assert inner.path == '["a b"][0].c'
    with pytest.raises(FormatError, match=r'^n\.json at \["a b"\]\[0\]\.c\.d: expected a whole number'):
        inner.integer("d")
    assert inner.child({}, "e", 2).at("f") == 'n.json at ["a b"][0].c.e[2].f'
    assert Fields({}).at() == "config"
    with pytest.raises(ConfigError, match=r"^config: expected an object, got an array"):
        Fields([])


def test_objects_that_contain_themselves() -> None:
    value: dict[str, Any] = {}
    value["x"] = [value]
    f = Fields(value)
    for _ in range(100):
        f = f.objects("x")[0]
    with pytest.raises(ConfigError, match=r"x\[0\]: objects are nested more than 100 deep"):
        f.objects("x")


def test_a_remedy_of_the_document() -> None:
    rules = Rules(error=TokenizerError, remedy="Fetch it again.")
    with pytest.raises(TokenizerError, match=r"got a number\. Fetch it again\.$"):
        Fields({"x": 1}, rules=rules).string("x")
    with pytest.raises(TokenizerError, match=r"Did you mean 'yes'"):
        Fields({"x": "yess"}, rules=rules).string("x", choices=("yes", "no"))


@given(
    st.floats(allow_nan=False) | st.integers(),
    *[st.none() | st.floats(allow_nan=False, allow_infinity=False)] * 4,  # type: ignore[arg-type]
)
def test_ranges(value: float, minimum: Any, above: Any, maximum: Any, below: Any) -> None:
    given_bounds = {"minimum": minimum, "above": above, "maximum": maximum, "below": below}
    bounds = {name: bound for name, bound in given_bounds.items() if bound is not None}
    fault = range_fault(value, **bounds)
    fits = (
        (minimum is None or value >= minimum)
        and (above is None or value > above)
        and (maximum is None or value <= maximum)
        and (below is None or value < below)
    )
    if bounds and -math.inf < value < math.inf:
        assert (fault == "") == fits
    if fault and bounds:
        assert fault.count(" and ") == len(bounds) - 1


@given(JSON)
def test_words_for_any_value(value: Any) -> None:
    assert json_type(value).split()[0] in ("null", "a", "an")
    assert len(shown(value)) <= 60


def test_words() -> None:
    assert json_type((1,)) == "an array"
    assert json_type(object()) == "a Python object"
    assert shown(-(10**5000)) == "a number with very many digits"
    assert suggest("rato", ["rate", "size"]) == "Did you mean 'rate'?"
    assert suggest("zzz", ["size", "", "rate"]) == "Known: rate, size."
    assert CONFIG.error is ConfigError
