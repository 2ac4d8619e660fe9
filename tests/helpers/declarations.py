"""What the files of claims/ declare, read without running them."""

import ast
import importlib.util
from functools import cache

from pytest_claims.claim import Claim, declared

from toy_model.checkout import ROOT

CLAIMS = ROOT / "claims"


@cache
def declarations(suite="cumsum"):
    """Every claim and erratum of a folder of claims, by its id."""
    by_name = {}
    for path in sorted((CLAIMS / suite).glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"declarations_of_{suite}_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and isinstance(declared(getattr(module, node.name)), Claim):
                by_name[f"claims/{suite}/{path.name}::{node.name}"] = declared(getattr(module, node.name))
    return by_name
