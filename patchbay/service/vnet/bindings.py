"""Interfaces are bound to the hosts of their datapaths as soon as agents tell which hosts these are."""

import asyncio
import logging
from collections.abc import Sequence

from patchbay.errors import PatchbayError
from patchbay.intent.database import Change
from patchbay.model import Host, VnetObject
from patchbay.model.vnet import DATAPATH
from patchbay.service.service import Service
from patchbay.service.vnet.interfaces import rebind
from patchbay.service.vnet.kinds import INTERFACE
from patchbay.service.vnet.objects import data_of
from patchbay.service.vnet.plugging import PLUGS, wanted_plug

log = logging.getLogger("patchbay.openvnet")


class Bindings:
    """See the module; ``run`` does the work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._wake = asyncio.Event()
        self._wake.set()
        service.db.subscribe(self._follow)

    async def run(self) -> None:
        """Bind what may be bound, whenever bridges or datapaths changed."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            for row in self._unbound():
                try:
                    await rebind(self._service, row.uuid)
                except PatchbayError as error:
                    log.warning("an interface is not bound", extra={"interface": row.uuid, "error": str(error)})

    def _follow(self, changes: Sequence[Change]) -> None:
        if any(_is_about_bridges(change) for change in changes):
            self._wake.set()

    def _unbound(self) -> list[VnetObject]:
        """The rows of interfaces that are not bound to their datapath's host, but could be."""
        db = self._service.db
        found = []
        for row_id in db.vnet_objects_by_kind.get(INTERFACE.name, ()):
            row = db.vnet_objects[row_id]
            port = db.ports.get(row.object_id)
            plugs = data_of(row).get(PLUGS, ()) if port is not None else ()
            plug = wanted_plug(self._service, row.uuid, plugs) if any(one["datapath_uuid"] for one in plugs) else None
            if plug is not None and plug.host and port is not None and port.host != plug.host:
                found.append(row)
        return found


def _is_about_bridges(change: Change) -> bool:
    old, new = change.old, change.new
    if isinstance(old, Host) or isinstance(new, Host):
        before = old.datapaths if isinstance(old, Host) else {}
        return before != (new.datapaths if isinstance(new, Host) else {})
    return any(isinstance(one, VnetObject) and one.kind == DATAPATH for one in (old, new))
