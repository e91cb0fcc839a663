"""Plain Scapy as most scripts use it: sniff() and a PcapWriter, until SIGINT. Prints how many frames it saw."""

from __future__ import annotations

import sys

from scapy.all import PcapWriter, sniff


def main() -> None:
    writer = PcapWriter(sys.argv[2])
    count = 0

    def write(packet: object) -> None:
        nonlocal count
        count += 1
        writer.write(packet)

    sniff(iface=sys.argv[1], store=False, prn=write)  # sniff() itself ends at SIGINT
    writer.close()
    print(count)


if __name__ == "__main__":
    main()
