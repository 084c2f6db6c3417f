"""Every error of the service has a status, and Neutron's name and form."""

import json

import pytest

from patchbay.api import errors as api_errors
from patchbay.api.errors import error_response, error_status
from patchbay.errors import PatchbayError
from patchbay.service import errors

ERRORS = [
    kind
    for module in (errors, api_errors)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, PatchbayError) and kind.__module__ == module.__name__
]
FAMILY = {"NotFound": 404, "InUse": 409, "AlreadyAllocated": 409, "Invalid": 400, "Unavailable": 503, "Exhausted": 400}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_has_a_status_of_its_family(kind: type[PatchbayError]) -> None:
    error = kind.__new__(kind)
    status = error_status(error)
    assert 400 <= status < 600
    assert status != 500, f"{kind.__name__} has no family"
    for ending, expected in FAMILY.items():
        if kind.__name__.endswith(ending):
            assert status == expected


def test_an_error_is_told_as_neutron_tells_it() -> None:
    response = error_response(errors.IpAddressGenerationFailure("n1"))
    assert response.status == 409
    assert json.loads(response.body) == {
        "NeutronError": {
            "type": "IpAddressGenerationFailure",
            "message": "No more IP addresses available on network n1.",
            "detail": "Delete ports, widen the pools or add a subnet.",
        }
    }


def test_neutron_s_bad_request_has_its_own_name() -> None:
    body = json.loads(error_response(errors.BadRequestFor("subnets", "no cidr")).body)
    assert body["NeutronError"]["type"] == "BadRequest"
    assert body["NeutronError"]["message"] == "Bad subnets request: no cidr."
