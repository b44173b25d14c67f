/** Which services the members of the benchmark share, and under which names. Pure. */

export interface MeshSize {
  readonly members: number;
  readonly services: number;
  /** Of all services together. */
  readonly endpoints: number;
}

/** The cluster whose federation service is measured. */
export const HOME = 'home';
export const NAMESPACES = 50;
/** Of the API server's Services: none of the members' endpoints may lie there. */
export const SERVICE_RANGE = '10.224.0.0/12';

export const serviceNames = (service: number): { readonly namespace: string; readonly name: string } => ({ namespace: `team-${service % NAMESPACES}`, name: `service-${service}` });

/** Two members export each service, so that there is something to merge. At least two members. */
export function exporters({ members }: MeshSize, service: number): readonly [number, number] {
  const first = service % members;
  return [first, (first + 1 + (Math.floor(service / members) % (members - 1))) % members];
}

export function workloadUid(cluster: string, service: number, number: number): string {
  const { namespace, name } = serviceNames(service);
  return `${cluster}//Pod/${namespace}/${name}-7d9c6b5f48-${number}`;
}
