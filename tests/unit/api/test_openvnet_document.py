"""docs/openvnet.md compares every endpoint of OpenVNet's WebAPI that is answered here, and no other."""

import re
from pathlib import Path

from patchbay.api.openvnet.routes import ENDPOINTS

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "openvnet.md"
ROW = re.compile(r"\| `([A-Z]+ /\S+)` \| (supported and tested|kept only) \| .*\|")


def test_every_endpoint_is_compared_and_nothing_else() -> None:
    section = DOCUMENT.read_text().split("<!-- endpoints: begin -->")[1].split("<!-- endpoints: end -->")[0]
    _, _, *rows = (line for line in section.splitlines() if line)
    found = [match[1] for line in rows if (match := ROW.fullmatch(line))]
    assert len(found) == len(rows), [line for line in rows if not ROW.fullmatch(line)]
    assert sorted(found) == sorted(f"{endpoint.method} {endpoint.path}" for endpoint in ENDPOINTS)
