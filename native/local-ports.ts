import { readFileSync } from 'node:fs';
import { inNetworkNamespace } from './network-namespace.ts';

/** Ports that the kernel gives to sockets of a network namespace which ask for none (ip-sysctl.rst), both ends included. */
export interface LocalPorts {
  readonly first: number;
  readonly last: number;
  /** Within them, what it keeps for those who ask for a certain one. */
  readonly reserved: readonly { readonly first: number; readonly last: number }[];
}

/** Reads net.ipv4.ip_local_port_range, which is of IPv6 too; undefined where the namespace does not show it. @throws SystemCallError when it can not be entered */
export function localPortsIn(namespace: number): LocalPorts | undefined {
  return inNetworkNamespace(namespace, () => {
    try {
      return parseLocalPorts(read('ip_local_port_range'), read('ip_local_reserved_ports'));
    } catch {
      // Of a container without /proc/sys: who asks does without.
      return undefined;
    }
  });
}

const read = (name: string): string => readFileSync(`/proc/sys/net/ipv4/${name}`, 'latin1');

/** `range`: two numbers; `reserved`: numbers and A-B with commas between them. */
export function parseLocalPorts(range: string, reserved: string): LocalPorts | undefined {
  const ends = /^(\d{1,5})\s+(\d{1,5})$/.exec(range.trim());
  const [first, last] = [Number(ends?.[1]), Number(ends?.[2])];
  if (!isPort(first) || !isPort(last) || first > last) return undefined;
  const kept: { readonly first: number; readonly last: number }[] = [];
  for (const part of reserved.trim().split(',')) {
    if (part === '') continue;
    const words = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part);
    const [from, to] = [Number(words?.[1]), Number(words?.[2] ?? words?.[1])];
    if (!isPort(from) || !isPort(to) || from > to) return undefined;
    kept.push({ first: from, last: to });
  }
  return { first, last, reserved: kept };
}

const isPort = (value: number): boolean => Number.isInteger(value) && value > 0 && value <= 65_535;

/**
 * One of them. The kernel takes every second one first for bind(2), and the others first for connect(2): who keeps to a
 * `half` leaves the other to the namespace's own connections. `random`: from 0 to less than 1. Undefined where it met a
 * reserved one, or there is none.
 */
export function pickLocalPort({ first, last, reserved }: LocalPorts, half: 'bind' | 'connect', random: number): number | undefined {
  const from = half === 'bind' ? first + 1 : first;
  const count = Math.floor((last - from) / 2) + 1;
  const port = from + 2 * Math.floor(random * count);
  return count < 1 || reserved.some((kept) => kept.first <= port && port <= kept.last) ? undefined : port;
}
