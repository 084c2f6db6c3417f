"""A floating IP that is taken away and given to another while somebody outside goes on sending to it."""

from tests.functional.routers.scene import INTERNET

FLOATING = "203.0.113.10"


def test_who_sends_without_a_pause_reaches_the_new_port_and_not_the_router(on_router):
    async def scenario(scene):
        floatingip = await scene.floating(FLOATING, scene.red1)
        await scene.active(floatingip)
        ping = scene.start_pinging("internet", FLOATING)

        def answers(address: str) -> bool:
            listed = scene.sh(f"ip netns exec {scene.namespace} conntrack -L -p icmp -s {INTERNET} 2>/dev/null")
            return f"src={address} dst={INTERNET}" in listed

        try:
            for port, address in ((scene.red2, "10.0.1.12"), (scene.blue1, "10.0.2.11"), (scene.red1, "10.0.1.11")) * 2:
                await scene.change(floatingip, port_id=None, fixed_ip_address=None, router_id=None)
                await scene.one.host.until(lambda: scene.plug(floatingip) is None, "it leads nowhere")
                await scene.change(floatingip, port_id=port.id, fixed_ip_address=address, router_id=scene.router.id)
                await scene.active(floatingip)
                await scene.one.host.until(lambda address=address: answers(address), f"{address} answers", 5)
        finally:
            ping.kill()
            ping.wait()

    on_router(scenario)
