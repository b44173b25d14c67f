/** A clusterset of two API servers, each with a federation service as a process of its own, joined over a real hub. */
import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { startExampleHub } from '@landbridge/federation/hub/example-hub.ts';
import { TestApiServer } from '@landbridge/lab/test-api-server.ts';
import { eventually } from '../agents/eventually.ts';
import { Replica } from '../replicas/replica.ts';
import { Member } from './member.ts';

const STARTED_MS = 150_000;
/** Services of this cluster have addresses of both families, those of the other one IPv4 alone. */
const BOTH_FAMILIES = '10.99.0.0/24,fd99::/112';

export interface TwoMembers extends AsyncDisposable {
  readonly east: Member;
  readonly west: Member;
}

export async function startTwoMembers(): Promise<TwoMembers> {
  await using stack = new AsyncDisposableStack();
  const hub = stack.use(await startExampleHub());
  // One after the other: of two at once, the one that has started would be left where the other has not.
  const eastServer = stack.use(await TestApiServer.start(BOTH_FAMILIES));
  const westServer = stack.use(await TestApiServer.start());
  for (const { config } of [eastServer, westServer]) await config.makeApiClient(CoreV1Api).createNamespace({ body: { metadata: { name: 'landbridge-system' } } });
  await eastServer.config.makeApiClient(CoreV1Api).createNamespacedSecret({ namespace: 'landbridge-system', body: { metadata: { name: 'landbridge-hub-authority' }, stringData: { 'hub.json': JSON.stringify(hub.authority) } } });
  const east = stack.use(await startService('east', eastServer.config));
  const west = stack.use(await startService('west', westServer.config));
  await eventually(async () => await east.status(), (status) => status?.members.length === 1, STARTED_MS);
  await eventually(async () => await west.status(), (status) => status !== undefined, STARTED_MS);
  const { token } = await east.post('/v1/tokens', { cluster: 'west' });
  await west.post('/v1/join', { token });
  const areJoined = (status: StatusAnswer | undefined): boolean => status?.members.length === 2 && status.members.every(({ complete }) => complete);
  await Promise.all([east, west].map(async (each) => await eventually(async () => await each.status(), areJoined, STARTED_MS)));
  const owned = stack.move();
  return { east: new Member('east', eastServer.config), west: new Member('west', westServer.config), [Symbol.asyncDispose]: async () => await owned.disposeAsync() };
}

interface StatusAnswer {
  readonly members: readonly { readonly complete: boolean }[];
}

async function startService(cluster: string, config: KubeConfig) {
  const replica = await Replica.start(`federation-${cluster}`, config, cluster);
  const ask = async (path: string, init: RequestInit = {}): Promise<Record<string, unknown>> => {
    const answer = await fetch(`http://127.0.0.1:${replica.adminPort}${path}`, init);
    const body = (await answer.json()) as Record<string, unknown>;
    if (!answer.ok) throw new Error(`${path} of ${cluster}: ${JSON.stringify(body)}`);
    return body;
  };
  return {
    /** Undefined while nobody answers. */
    status: async (): Promise<StatusAnswer | undefined> => (await ask('/v1/status').catch(() => undefined)) as StatusAnswer | undefined,
    post: async (path: string, body: object) => await ask(path, { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    [Symbol.asyncDispose]: async () => await replica[Symbol.asyncDispose](),
  };
}
