"""Record the public functions and classes of `torch`: ``python tests/recorded/torch_names.py``.

A module of ours that is imported late replaces an attribute of its name on the package, so
tests/api/test_names.py keeps these names free.  Needs PyTorch 2.13.
"""

import json
import pathlib
import types

import torch


def main():
    names = [
        name
        for name in dir(torch)
        if not name.startswith("_")
        and not isinstance(getattr(torch, name), types.ModuleType)
        and (callable(getattr(torch, name)) or isinstance(getattr(torch, name), torch.dtype))
    ]
    out = {"torch": torch.__version__.split("+")[0], "names": sorted(names)}
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out, indent=0) + "\n")


if __name__ == "__main__":
    main()
