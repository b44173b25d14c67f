import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '@landbridge/lab/until.ts';
import test, { type ExecutionContext } from 'ava';
import { LandbridgeError } from '@landbridge/core/errors.ts';
import { parseHubCredentials } from '../join/credentials.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { startExampleHub } from './example-hub.ts';
import { type ExampleMembership, exampleMembership, secretsOf } from './example-membership.ts';
import { CREDENTIALS_SECRET } from './kept-credentials.ts';

const RUNS = Number(process.env['LANDBRIDGE_INTERRUPTED_RUNS'] ?? 10);
/** About as long as each change takes on a machine that has time. */
const LONGEST_MS = 150;
const soon = (): AbortSignal => AbortSignal.timeout(120_000);

/** The Secrets of a cluster as one process sees them, until it dies. */
class MortalSecrets extends MemorySecretStore {
  readonly #kept: MemorySecretStore;
  isDead = false;

  constructor(kept: MemorySecretStore) {
    super();
    this.#kept = kept;
  }

  override async read(name: string): ReturnType<MemorySecretStore['read']> {
    return await this.#kept.read(name);
  }

  override async write(...[name, values, version]: Parameters<MemorySecretStore['write']>): Promise<void> {
    if (this.isDead) throw new LandbridgeError('died', 'the process died');
    await this.#kept.write(name, values, version);
  }
}

/** Does the work in a life that ends at a random point, and then in one that does not; the work is begun anew where it was not done. */
async function dieOnce(kept: MemorySecretStore, work: (life: ExampleMembership, signal: AbortSignal) => Promise<unknown>): Promise<ExampleMembership> {
  const secrets = new MortalSecrets(kept);
  const death = new AbortController();
  {
    await using life = exampleMembership('west', secrets).run();
    const working = work(life, death.signal).catch(() => undefined);
    await Promise.race([working, sleep(Math.random() * LONGEST_MS)]);
    secrets.isDead = true;
    death.abort();
    await working;
  }
  return exampleMembership('west', kept).run();
}

test(`a member that is ended at random points of joining, of other keys and of leaving goes on from there, ${RUNS} times`, async (t: ExecutionContext) => {
  t.timeout(600_000);
  await using hub = await startExampleHub();
  await using east = exampleMembership('east', await secretsOf({ 'landbridge-hub-authority': { 'hub.json': JSON.stringify(hub.authority) } })).run();
  await until('the founder must be a member', () => east.membership.allListed);
  const kept = new MemorySecretStore();
  const credentials = async () => {
    const parsed = parseHubCredentials((await kept.read(CREDENTIALS_SECRET))?.values['credentials.json'] ?? '');
    return parsed.ok ? parsed.value : undefined;
  };
  const agrees = async (): Promise<boolean> => {
    const member = east.membership.views().get('west')?.member;
    const own = await credentials();
    return member !== undefined && own !== undefined && member.recordPublicKey === own.recordPublicKey;
  };
  for (let run = 0; run < RUNS; run++) {
    const { token } = await east.membership.createToken({ cluster: 'west' }, soon());
    const join = async (life: ExampleMembership, signal: AbortSignal): Promise<unknown> => ((await credentials()) === undefined ? await life.membership.join(token, AbortSignal.any([signal, soon()])) : undefined);
    {
      await using life = await dieOnce(kept, join);
      await join(life, soon()).catch((thrown: unknown) => {
        if ((thrown as LandbridgeError).code !== 'already-joined') throw thrown;
      });
      await until(`run ${run}: it must be a member with the key that it has`, async () => life.membership.hubState().kind === 'connected' && (await agrees()));
    }
    const first = await credentials();
    {
      await using life = await dieOnce(kept, (each, signal) => each.membership.rotate(AbortSignal.any([signal, soon()])));
      // Where the wish was not kept there is nothing to go on with.
      if ((await kept.read(CREDENTIALS_SECRET))?.values['next.json'] === undefined && (await credentials())?.recordPublicKey === first?.recordPublicKey) await life.membership.rotate(soon());
      await until(`run ${run}: it must have other keys`, async () => (await credentials())?.recordPublicKey !== first?.recordPublicKey);
      await until(`run ${run}: it must be a member with the keys that it has`, async () => life.membership.hubState().kind === 'connected' && (await agrees()));
    }
    {
      await using life = await dieOnce(kept, (each, signal) => each.membership.leave({ force: false }, AbortSignal.any([signal, soon()])));
      if ((await kept.read(CREDENTIALS_SECRET))?.values['leaving'] === undefined && (await credentials()) !== undefined) await life.membership.leave({ force: false }, soon());
      await until(`run ${run}: it must have left`, async () => (await credentials()) === undefined && !east.membership.views().has('west'));
    }
  }
  t.pass();
});
