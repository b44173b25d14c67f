import type { ServicePort } from '@landbridge/core/records.ts';
import type { Conflict } from './conflicts.ts';

/** Of an import; as many as one record may have. */
export const MAX_IMPORTED_PORTS = 256;

interface Part {
  readonly cluster: string;
  readonly ports: readonly ServicePort[];
}

/** What tells one port of a service from another (KEP-1645): what is behind it may still differ. */
export const isSamePort = (a: ServicePort, b: ServicePort): boolean => a.name === b.name && a.port === b.port && a.protocol === b.protocol;

/** Those of an import's ports that a cluster exposes, by name and number: nobody is sent to it by another. */
export function exposedPorts(ports: readonly ServicePort[], exposed: readonly ServicePort[]): readonly ServicePort[] {
  return ports.filter((port) => exposed.some((each) => isSamePort(port, each)));
}

/** What there is by name and by number, with the cluster whose it is. */
class Union {
  readonly ports: ServicePort[] = [];
  readonly #owners = new Map<ServicePort, string>();
  readonly #byName = new Map<string, ServicePort>();
  readonly #byNumber = new Map<string, ServicePort>();

  add(port: ServicePort, cluster: string): void {
    this.ports.push(port);
    this.#owners.set(port, cluster);
    this.#byName.set(port.name, port);
    this.#byNumber.set(numberOf(port), port);
  }

  ownerOf(port: ServicePort): string {
    return this.#owners.get(port) ?? '';
  }

  /** The port in whose place another can not be: by name, then by number; a Service's single port may be without a name, and then stands alone. */
  inPlaceOf(port: ServicePort): ServicePort | undefined {
    const [first] = this.ports;
    return this.#byName.get(port.name) ?? this.#byNumber.get(numberOf(port)) ?? (first !== undefined && (first.name === '' || port.name === '') ? first : undefined);
  }
}

/** The union of all ports; `parts` in the order in which they decide. A port that has the place of another one is left out. */
export function mergePorts(parts: readonly Part[]): { readonly ports: readonly ServicePort[]; readonly conflicts: readonly Conflict[] } {
  const union = new Union();
  const conflicts = new Map<string, Conflict & { readonly losers: string[] }>();
  const note = (cluster: string, { kind, port, winner, ...more }: { readonly kind: Exclude<Conflict['kind'], 'value'>; readonly port: ServicePort; readonly winner: string; readonly by?: ServicePort }): void => {
    const id = JSON.stringify([kind, port, more.by]);
    const known = conflicts.get(id);
    if (known === undefined) conflicts.set(id, { kind, field: 'ports', port, winner, losers: [cluster], ...more } as Conflict & { losers: string[] });
    else if (!known.losers.includes(cluster)) known.losers.push(cluster);
  };
  /** Ports of the union whose place a cluster's own could not have: it differs there, and is not told twice. */
  const displaced = new Set<string>();
  for (const { cluster, ports } of parts) {
    for (const port of ports) {
      const known = union.inPlaceOf(port);
      if (known === undefined) {
        if (union.ports.length < MAX_IMPORTED_PORTS) union.add(port, cluster);
        else note(cluster, { kind: 'port-surplus', port, winner: union.ownerOf(union.ports[0] ?? port) });
      } else if (!isSamePort(known, port)) {
        note(cluster, { kind: 'port-displaced', port, by: known, winner: union.ownerOf(known) });
        displaced.add(`${cluster} ${numberOf(known)}`);
      } else if (known.appProtocol !== port.appProtocol) {
        note(cluster, { kind: 'port-protocol', port: known, winner: union.ownerOf(known) });
      }
    }
  }
  for (const port of union.ports) {
    for (const { cluster, ports } of parts) {
      if (!displaced.has(`${cluster} ${numberOf(port)}`) && !ports.some((each) => isSamePort(each, port))) note(cluster, { kind: 'port-absent', port, winner: union.ownerOf(port) });
    }
  }
  return { ports: union.ports, conflicts: [...conflicts.values()].map((conflict) => ({ ...conflict, losers: conflict.losers.sort() })) };
}

const numberOf = ({ port, protocol }: ServicePort): string => `${port}/${protocol}`;
