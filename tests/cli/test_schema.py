"""`refine schema`: JSON Schemas of what the formats write."""

import copy
import json

import msgspec
import numpy as np
import pytest

from refine.files import dump_json
from refine.formats import FORMATS
from refine.formats.schemas import DRAFT, TYPES
from tests.properties.fuzzing import whole


def documents(name):
    """The sample, two persons with a history, and two images where one document may hold them."""
    form = FORMATS[name]
    person = form.example()
    yield form.sample()
    yield whole(name)
    if form.holdings[0] != "folder":
        refs = [person.images[0], person.images[0].__class__(8, "8.jpg", 640, 480, 8)]
        two = person[[0, 0]].replace(image=np.array([0, 1]), images=tuple(refs))
        yield form.write(two.replace(track=None), 2, "document")


def test_every_format_has_one():
    assert TYPES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", TYPES)
def test_what_is_written_is_of_its_type(name):
    for document in documents(name):
        msgspec.json.decode(dump_json(document), type=TYPES[name])
    damaged = json.loads(dump_json(FORMATS[name].sample()))
    damaged = {"": damaged} if isinstance(damaged, list) else [damaged, 3]
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(dump_json(damaged), type=TYPES[name])


@pytest.mark.parametrize("name", TYPES)
def test_schemas_hold_what_is_written_and_refuse_others(cli, name):
    jsonschema = pytest.importorskip("jsonschema")
    result = cli("schema", name)
    schema = json.loads(result.out)
    assert (result.code, schema["$schema"], schema["title"]) == (0, DRAFT, name)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    for document in documents(name):
        assert check.is_valid(json.loads(dump_json(document))), name
    assert not check.is_valid(3)


def test_a_field_of_another_kind_is_refused(cli):
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(json.loads(cli("schema", "ndjson").out))
    line = json.loads(dump_json(FORMATS["ndjson"].sample()))
    assert check.is_valid(line | {"mine": 3})
    for field, wrong in (("poses", None), ("width", "x"), ("score_kind", 3), ("skeleton", [])):
        assert not check.is_valid(line | {field: wrong}), field
    pose = copy.deepcopy(line)
    pose["poses"][0]["box"] = [1, 2, 3]
    assert not check.is_valid(pose)


def test_every_format_has_a_schema_or_says_so(cli):
    """Formats of laboratories are described by their own projects."""
    result = cli("schema", "darknet")
    assert (result.code, "got 'darknet'; try one of coco" in result.err) == (3, True)
    assert set(TYPES) <= set(FORMATS)
    lacking = set(FORMATS) - set(TYPES)
    for name in lacking:
        assert cli("schema", name).code == 3
