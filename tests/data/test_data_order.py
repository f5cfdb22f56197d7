"""Order, contents and random draws of loaders equal PyTorch's, recorded in data_loader.json."""

import json
from pathlib import Path

import data_cases
import pytest

import rushlight as torch

RECORDED = json.loads(
    (Path(__file__).parents[1] / "recorded" / "data_loader.json").read_text(encoding="utf-8")
)


def _name(case):
    return "-".join(f"{key}={value}" for key, value in case.items())


def test_every_case_is_recorded():
    assert [record["case"] for record in RECORDED] == data_cases.all_cases()


@pytest.mark.parametrize("record", RECORDED, ids=lambda record: _name(record["case"]))
def test_order(record):
    assert data_cases.run(torch, **record["case"]) == record["result"]
