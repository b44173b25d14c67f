/** The shape of a mesh of network namespaces, and the address of everything in it. Pure. */

export type Family = 'IPv4' | 'IPv6';

export interface PlannedPod {
  readonly name: string;
  /** Of which it has an address. */
  readonly families: readonly Family[];
  readonly address: string;
  readonly address6: string;
}

export interface PlannedNode {
  readonly name: string;
  /** Of the bridge that its pods are at. */
  readonly address: string;
  readonly address6: string;
  readonly range: string;
  readonly range6: string;
  /** On the link between nodes. */
  readonly wan: string;
  readonly wan6: string;
  readonly pods: readonly PlannedPod[];
}

/** Names of pods by name of their node: `{ west: ['a', 'b'], east: ['c'] }`. */
export type Shape = Readonly<Record<string, readonly string[]>>;

/** Families of pods by name; the others have both. */
export type Families = Readonly<Record<string, readonly Family[]>>;
const BOTH: readonly Family[] = ['IPv4', 'IPv6'];

/** Names become part of names of interfaces, which have 15 characters at most (IFNAMSIZ). */
const NAME = /^[a-z][a-z0-9]{0,9}$/;
const MAX_NODES = 100;
const MAX_PODS = 200;

/** Private ranges that nothing outside of the namespaces ever sees. */
export function planMesh(shape: Shape, families: Families = {}): readonly PlannedNode[] {
  const names = [...Object.keys(shape), ...Object.values(shape).flat()];
  const wrong = names.find((name, at) => !NAME.test(name) || names.indexOf(name) !== at);
  if (wrong !== undefined) throw new Error(`${JSON.stringify(wrong)} is there twice, or does not match ${NAME}`);
  if (Object.keys(shape).length > MAX_NODES || Object.values(shape).some((pods) => pods.length > MAX_PODS)) throw new Error(`more than ${MAX_NODES} nodes, or ${MAX_PODS} pods on one`);
  return Object.entries(shape).map(([name, pods], at) => {
    const node = at + 1;
    return {
      name,
      address: `10.199.${node}.1`,
      address6: `fd99:${node}::1`,
      range: `10.199.${node}.0/24`,
      range6: `fd99:${node}::/64`,
      wan: `10.199.0.${node}`,
      wan6: `fd99::${node}`,
      pods: pods.map((pod, i) => ({ name: pod, families: families[pod] ?? BOTH, address: `10.199.${node}.${i + 2}`, address6: `fd99:${node}::${(i + 2).toString(16)}` })),
    };
  });
}
