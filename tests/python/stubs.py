"""Python classes for the services, made from proto/ when they are needed: nothing generated is kept in the tree."""

import hashlib
import os
import pathlib
import shutil
import sys
import tempfile

from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = ROOT / "proto"


def load(folder: pathlib.Path | None = None) -> None:
    """Makes `import tagbid.campaigns.v1.campaigns_pb2` and its like work.

    The stubs are kept under cargo's target directory, by a hash of the protos, so that tests that run side by side share them and a
    changed proto is never met by old stubs.
    """
    protos = sorted((PROTO / "tagbid").rglob("*.proto"))
    digest = hashlib.sha256(b"".join(proto.read_bytes() for proto in protos)).hexdigest()[:16]
    home = folder or ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "python-stubs"
    stubs = home / digest
    if not stubs.exists():
        _generate(protos, home, stubs)
    sys.path.insert(0, str(stubs))


def _generate(protos: list[pathlib.Path], home: pathlib.Path, stubs: pathlib.Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    made = pathlib.Path(tempfile.mkdtemp(dir=home))
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    arguments = ["protoc", f"-I{PROTO}", f"-I{well_known}", f"--python_out={made}", f"--grpc_python_out={made}"]
    if protoc.main(arguments + [str(proto) for proto in protos]) != 0:
        raise SystemExit("the protos do not compile")
    try:
        os.rename(made, stubs)
    except OSError:
        # Another process was first; its stubs are the same.
        shutil.rmtree(made)
        if not stubs.exists():
            raise
