/** The certificate of a pod comes after its first connections: it has just started, or the authority was being replaced. */
import test from 'ava';
import { TestAuthority } from '@landbridge/agent/identity/test-identities.ts';
import { ask, echo } from './applications.ts';
import { candidate, HERE, TestEngine, type TestIdentity } from './engine.ts';

const authority = new TestAuthority('own.example');
const [client, server] = [authority.certificate('client'), authority.certificate('server')];
test.after.always(() => authority[Symbol.dispose]());

const isRefusal = (answer: Buffer | Error): boolean => answer instanceof Error || answer.length === 0;
const later = (own: TestIdentity): TestIdentity => ({ ...own, chainPem: '' });
/** Until a thread has asked for the certificate, its connection waits already. */
const wanted = async (engine: TestEngine, { identity }: TestIdentity): Promise<void> => await engine.until(() => engine.wanted.includes(identity));

for (const [who, late] of [['caller', client], ['called', server]] as const) {
  test(`a connection waits for the certificate of its ${who}, and is carried then`, async (t) => {
    await using engine = new TestEngine();
    engine.trust(authority);
    await using application = await echo();
    const called = engine.server(late === server ? later(server) : server);
    const caller = engine.client(late === client ? later(client) : client, [candidate(called.port, server.identity, { authority: `${HERE}:${application.port}` })]);
    const answer = ask(caller.port, 'patience');
    await wanted(engine, late);
    t.is(application.sockets.length, 0);
    engine.certify(late);
    t.is((await answer).toString(), 'patience');
    t.deepEqual(await engine.failures(), {});
  });

  test(`within a node too, of its ${who}`, async (t) => {
    await using engine = new TestEngine();
    engine.trust(authority);
    await using application = await echo();
    const called = engine.server(late === server ? later(server) : server);
    const caller = engine.client(late === client ? later(client) : client, [candidate(called.port, server.identity, { localPod: called.uid, target: { ip: HERE, port: application.port } })]);
    engine.certify(late === client ? server : client);
    const answer = ask(caller.port, 'patience');
    await wanted(engine, late);
    t.is(application.sockets.length, 0);
    engine.certify(late);
    t.is((await answer).toString(), 'patience');
  });
}

test('it does not wait for ever', async (t) => {
  await using engine = new TestEngine({ tuning: { resolveTimeoutMs: 300 } });
  engine.trust(authority);
  const caller = engine.client(later(client), [candidate(1, server.identity)]);
  t.true(isRefusal(await ask(caller.port, 'patience')));
  await engine.until(() => engine.ends.length > 0);
  t.is(engine.ends[0]?.error, 'there is no valid certificate of this workload yet');
  const inbound = engine.server(later(server));
  t.true(isRefusal(await ask(inbound.port, 'no handshake')));
  t.deepEqual(await engine.failures(), { 'inbound tls-busy': 1 });
});

test('of a pod that goes, what waits ends at once', async (t) => {
  await using engine = new TestEngine({ tuning: { resolveTimeoutMs: 60_000 } });
  engine.trust(authority);
  const caller = engine.client(later(client), [candidate(1, server.identity)]);
  const answer = ask(caller.port, 'patience');
  await wanted(engine, client);
  await engine.plane.removePod(caller.uid, 0);
  t.true(isRefusal(await answer));
});
