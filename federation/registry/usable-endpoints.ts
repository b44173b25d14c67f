/** As an EndpointSlice, or another cluster's record, says it. */
export interface EndpointState {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly node?: string | undefined;
}

/**
 * The endpoints that connections may go to: those that are ready; where none is, those that still serve while they end
 * (KEP-1669), so that the last replicas of a service that moves do not refuse what is already on its way. With
 * `byNode` each node is looked at by itself, for services whose clients use their own node's endpoints only.
 */
export function usableEndpoints<T extends EndpointState>(endpoints: readonly T[], byNode = false): readonly T[] {
  if (!byNode) return readyOrEnding(endpoints);
  const nodes = new Map<string, T[]>();
  for (const endpoint of endpoints) {
    const node = endpoint.node ?? '';
    const list = nodes.get(node);
    if (list === undefined) nodes.set(node, [endpoint]);
    else list.push(endpoint);
  }
  return [...nodes.values()].flatMap(readyOrEnding);
}

function readyOrEnding<T extends EndpointState>(endpoints: readonly T[]): readonly T[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? ready : endpoints.filter(({ serving, terminating }) => serving && terminating);
}
