"""The script that dhclient calls in an instance (dhclient-script(8)), and the farewell of its process.

It does what the distribution's does and differs in three things: routes are marked ``proto dhcp`` and addresses have
the lifetime of their lease, by which the agent knows them as not its own; options 121 and 26 (routes, MTU) are heeded;
and name servers go into the instance's ``/etc/netns/<name>/resolv.conf``, written in place, for ``ip netns exec``
mounts that very file over ``/etc/resolv.conf``. The host's own is never written.
"""

SCRIPT = r"""#!/bin/sh
# Called by dhclient with what it was told, see dhclient-script(8); written by patchbay.
PATH=/usr/sbin:/usr/bin:/sbin:/bin
etc=/etc/netns/@INSTANCE@

metric() {  # eth0 0, eth1 1: the first interface has the default route
    number=${interface##*[!0-9]}
    echo "${number:-0}"
}

names() {  # family, name servers, domains: this interface's block of resolv.conf; none takes it out
    [ -n "$2" ] || [ -f "$etc/resolv.conf" ] || return 0
    mkdir -p "$etc"
    text=$(
        [ -f "$etc/resolv.conf" ] && awk -v mine="# $interface $1" '/^# /{skip = $0 == mine} !skip' "$etc/resolv.conf"
        [ -z "$2" ] || echo "# $interface $1"
        for server in $2; do echo "nameserver $server"; done
        [ -z "$2" ] || [ -z "$3" ] || echo "search $3"
    )
    printf '%s' "${text:+$text
}" >"$etc/resolv.conf"
}

route() {  # destination, gateway
    case $2 in
    0.0.0.0) ip -4 route replace "$1" dev "$interface" proto dhcp scope link metric "$(metric)" ;;
    *)
        ip -4 route replace "$1" via "$2" dev "$interface" proto dhcp metric "$(metric)" 2>/dev/null ||
            ip -4 route replace "$1" via "$2" dev "$interface" onlink proto dhcp metric "$(metric)"
        ;;
    esac
}

classless_routes() {  # RFC 3442: length, its significant octets, four of the gateway; and so on
    while [ $# -ge 5 ]; do
        length=$1 destination=
        shift
        for octet in 1 9 17 25; do
            if [ "$length" -ge "$octet" ]; then
                destination=$destination.$1
                shift
            else
                destination=$destination.0
            fi
        done
        route "${destination#.}/$length" "$1.$2.$3.$4"
        shift 4
    done
}

clear4() {
    [ -z "$old_ip_address" ] || ip -4 address del "$old_ip_address/$old_subnet_mask" dev "$interface" 2>/dev/null
    ip -4 route flush dev "$interface" proto dhcp 2>/dev/null
    names inet ""
}

bound4() {
    if [ -n "$old_ip_address" ] && [ "$old_ip_address" != "$new_ip_address" ]; then
        clear4
    fi
    if [ "${new_interface_mtu:-0}" -ge 576 ]; then
        ip link set dev "$interface" mtu "$new_interface_mtu"
    fi
    ip -4 address replace "$new_ip_address/$new_subnet_mask" \
        ${new_broadcast_address:+broadcast "$new_broadcast_address"} dev "$interface" \
        valid_lft "$new_dhcp_lease_time" preferred_lft "$new_dhcp_lease_time"
    if [ "$reason" != RENEW ] || [ "$old_rfc3442_classless_static_routes $old_routers" \
        != "$new_rfc3442_classless_static_routes $new_routers" ]; then
        ip -4 route flush dev "$interface" proto dhcp 2>/dev/null
    fi
    if [ -n "$new_rfc3442_classless_static_routes" ]; then
        classless_routes $new_rfc3442_classless_static_routes
    else
        for router in $new_routers; do
            route default "$router"
            break
        done
    fi
    names inet "$new_domain_name_servers" "${new_domain_search:-$new_domain_name}"
}

case $reason in
PREINIT)
    ip link set dev "$interface" up
    ;;
PREINIT6)
    ip link set dev "$interface" up
    for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ -z "$(ip -6 address show dev "$interface" tentative)" ] && break
        sleep 0.1
    done
    ;;
BOUND | RENEW | REBIND | REBOOT)
    bound4
    ;;
EXPIRE | FAIL | RELEASE | STOP)
    clear4
    ;;
BOUND6 | RENEW6 | REBIND6)
    if [ -n "$old_ip6_address" ] && [ "$old_ip6_address" != "$new_ip6_address" ]; then
        ip -6 address del "$old_ip6_address/$old_ip6_prefixlen" dev "$interface" 2>/dev/null
    fi
    if [ -n "$new_ip6_address" ]; then
        ip -6 address replace "$new_ip6_address/$new_ip6_prefixlen" dev "$interface" \
            valid_lft "$new_max_life" preferred_lft "$new_preferred_life"
    fi
    names inet6 "$new_dhcp6_name_servers" "$new_dhcp6_domain_search"
    ;;
DEPREF6)
    ip -6 address change "$cur_ip6_address/$cur_ip6_prefixlen" dev "$interface" preferred_lft 0
    ;;
EXPIRE6 | RELEASE6 | STOP6)
    [ -z "$old_ip6_address" ] || ip -6 address del "$old_ip6_address/$old_ip6_prefixlen" dev "$interface" 2>/dev/null
    names inet6 ""
    ;;
TIMEOUT)
    exit 1
    ;;
esac
exit 0
"""

ASKER = r"""#!/bin/sh
# dhclient -S ends when it has been told; written by patchbay. Asks, and again every six hours, in the background. The
# words after the script are its pid file and the client's.
pidfile=$1
shift
(
    trap 'kill $! 2>/dev/null; exit 0' TERM
    while :; do
        "$@" &
        wait $! && pause=21600 || pause=1
        sleep $pause &
        wait $!
    done
) </dev/null >/dev/null 2>&1 &
echo $! >"$pidfile"
"""

FAREWELL = r"""#!/bin/sh
# Gives the lease back and takes what was written beside it; the words after the script are the client's.
"$@"
[ -z "@SHARED@" ] || rm -rf "/etc/netns/@INSTANCE@/dhcp"
[ -s "/etc/netns/@INSTANCE@/resolv.conf" ] || rm -f "/etc/netns/@INSTANCE@/resolv.conf"
rmdir "/etc/netns/@INSTANCE@" 2>/dev/null
exit 0
"""


def client_script(instance: str) -> str:
    """``instance`` is the name of its namespace."""
    return SCRIPT.replace("@INSTANCE@", instance)


def farewell_script(instance: str, *, is_shared: bool) -> str:
    """``is_shared``: the files for clients that a person starts were written with this one's."""
    return FAREWELL.replace("@INSTANCE@", instance).replace("@SHARED@", "yes" if is_shared else "")
