/** Federation services as far as their hub goes, for tests: each with Secrets of its own. */
import { pino } from 'pino';
import { makeRoot } from '../join/example-founder.ts';
import { makeMemoryTokenStore, type TokenStore } from '../join/token-store.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { ALONE, type Leadership } from '../leadership/leadership.ts';
import type { LeafPlace } from '../leaf/leaf-secret.ts';
import { Membership } from './membership.ts';

export interface ExampleMembership extends AsyncDisposable {
  readonly membership: Membership;
  readonly secrets: MemorySecretStore;
  /** Codes of what was warned of. */
  readonly warned: string[];
  run(): ExampleMembership;
}

export interface ExampleMembershipOptions {
  readonly leadership?: Leadership;
  readonly tokens?: TokenStore;
  readonly clock?: () => number;
  readonly userLifeSeconds?: number;
  readonly tokenSecret?: string;
  readonly leaf?: LeafPlace;
  /** DER; one of its own where left out. */
  readonly root?: Buffer;
  readonly onChange?: (membership: Membership) => void;
}

/** Of each cluster its own: no two may have the same. */
const roots = new Map(await Promise.all(['east', 'west', 'north'].map(async (cluster) => [cluster, Buffer.from(await makeRoot(), 'base64')] as const)));

export async function secretsOf(initial: Readonly<Record<string, Readonly<Record<string, string>>>>): Promise<MemorySecretStore> {
  const store = new MemorySecretStore();
  for (const [name, values] of Object.entries(initial)) await store.write(name, values, undefined);
  return store;
}

/** Does nothing until it is told to run. */
export function exampleMembership(cluster: string, secrets = new MemorySecretStore(), { leadership = ALONE, tokens = makeMemoryTokenStore(), clock = Date.now, userLifeSeconds, tokenSecret, leaf, root, onChange = () => {} }: ExampleMembershipOptions = {}): ExampleMembership {
  const warned: string[] = [];
  const log = pino({ level: 'warn' }, { write: (line: string) => {
    const { code, err } = JSON.parse(line) as { readonly code?: string; readonly err?: { readonly code?: string } };
    warned.push(code ?? err?.code ?? '');
  } });
  const membership: Membership = new Membership({ cluster, trustDomain: `${cluster}.landbridge`, network: '', roots: () => [root ?? roots.get(cluster) ?? Buffer.alloc(0)], secrets, tokens, clock, log, onChange: () => onChange(membership), leadership, ...(userLifeSeconds === undefined ? {} : { userLifeSeconds }), ...(tokenSecret === undefined ? {} : { tokenSecret }), ...(leaf === undefined ? {} : { leaf }) });
  const stop = new AbortController();
  let running: Promise<void> | undefined;
  const made = {
    membership,
    secrets,
    warned,
    run: () => {
      running = membership.run(stop.signal);
      return made;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
  return made;
}
