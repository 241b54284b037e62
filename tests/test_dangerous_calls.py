"""What the package never calls, since it would run data, or trust what it should not."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "harness"
MODULES = sorted(PACKAGE.rglob("*.py"))
NEVER = {
    *("eval", "exec", "compile", "os.system", "os.popen", "tempfile.mktemp"),
    *("torch.load", "marshal.loads", "marshal.load", "shelve.open", "jsonpickle.decode"),
    *("pickle.load", "pickle.loads", "pickle.Unpickler", "joblib.load", "dill.loads"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"),
    *("tarfile.open", "shutil.unpack_archive", "ssl._create_unverified_context"),
}
# In a memory that nobody else writes: compositions of this very process.
KNOWN = {("config/compose/remembered.py", "pickle.loads")}
NOT_SO = {
    "allow_pickle": True,
    "verify": False,
    "shell": True,
    "weights_only": False,
    "trust_remote_code": True,
}
METHODS = {"load_checkpoint", "extractall", "extract"}  # of DeepSpeed, of archives


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def dangers(path: Path) -> list[str]:
    name, found = path.relative_to(PACKAGE).as_posix(), []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        what = called(node)
        if what in NEVER and (name, what) not in KNOWN:
            found.append(what)
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            found.append(what)
        for keyword in node.keywords:
            value = getattr(keyword.value, "value", None)
            if keyword.arg in NOT_SO and value is NOT_SO[keyword.arg]:
                found.append(f"{what}({keyword.arg}={value})")
        loads = what.endswith(("ForCausalLM.from_pretrained", "model_class().from_pretrained"))
        if loads and not {"weights_only", "quantization_config"} & {k.arg for k in node.keywords}:
            found.append(f"{what} without weights_only")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_none_is_there(path: Path) -> None:
    assert dangers(path) == []


def test_they_would_be_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "import torch, requests\ntorch.load('x')\nrequests.get('x', verify=False)\neval('1')\n"
    (tmp_path / "bad.py").write_text(text)
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    assert dangers(tmp_path / "bad.py") == ["torch.load", "requests.get(verify=False)", "eval"]
