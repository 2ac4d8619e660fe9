"""What the files of claims/ declare, read without running them."""

import ast
import importlib.util
from functools import cache

from pytest_claims.claim import Claim, declared

from toy_model.checkout import ROOT

CLAIMS = ROOT / "claims" / "cumsum"


@cache
def declarations():
    """Every claim and erratum of claims/cumsum/, by its id."""
    by_name = {}
    for path in sorted(CLAIMS.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"declarations_of_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and isinstance(declared(getattr(module, node.name)), Claim):
                by_name[f"claims/cumsum/{path.name}::{node.name}"] = declared(getattr(module, node.name))
    return by_name
