/** A founder without a hub, for tests: an authority over a bus and a store in memory, with a clock that the test moves. */
import { X509Certificate } from 'node:crypto';
import type { LandbridgeError } from '@landbridge/core/errors.ts';
import { createAccount } from '@nats-io/nkeys';
import { pino } from 'pino';
import { type MemoryBus, makeMemoryBus } from '../bus/memory-bus.ts';
import { MemorySecretStore } from '../kubernetes/memory-secret-store.ts';
import { type Member, openMember } from '../records/members.ts';
import { RemovedMembers } from '../removal/removed-members.ts';
import { JoinAuthority } from './authority.ts';
import type { HubAuthority } from './credentials.ts';
import { makeEd25519Keys } from './ed25519.ts';
import { makeHubTls } from './hub-material.ts';
import { parseJoinToken, type JoinToken } from './join-token.ts';
import { encodeRedeemRequest, parseRedeemAnswer, type RedeemAnswer } from './redeem-messages.ts';
import type { JoinKeys } from './join-keys.ts';
import { makeMemoryTokenStore, type TokenStore } from './token-store.ts';

/** Any certificate of an authority will do as a root. */
export async function makeRoot(): Promise<string> {
  return new X509Certificate((await makeHubTls(['root'], new Date())).caPem).raw.toString('base64');
}

export interface ExampleFounder {
  readonly founder: JoinAuthority;
  readonly hub: HubAuthority;
  readonly bus: MemoryBus;
  readonly store: TokenStore;
  now: number;
  /** A second process of the same founder. */
  another(store: TokenStore): JoinAuthority;
  createToken(cluster: string, options?: { ttlSeconds?: number; uses?: number }): Promise<JoinToken>;
  redeem(token: JoinToken, applicant: ExampleApplicant): Promise<RedeemAnswer | LandbridgeError>;
}

export interface ExampleApplicant {
  readonly cluster?: string;
  readonly keys: JoinKeys;
  readonly trustDomain?: string;
  readonly roots: readonly string[];
}

/** @param wrapStore stands between the authority and its store. */
export function makeExampleFounder(wrapStore: (store: TokenStore) => TokenStore = (store) => store): ExampleFounder {
  const keys = makeEd25519Keys();
  const account = createAccount();
  const hub: HubAuthority = {
    urls: ['tls://hub.example:4222'],
    caPem: '-----BEGIN CERTIFICATE-----\n',
    accountPublicKey: account.getPublicKey(),
    accountSigningSeed: new TextDecoder().decode(createAccount().getSeed()),
    authorityPrivateKeyPem: keys.privateKeyPem,
    authorityPublicKey: keys.publicKey,
  };
  const bus = makeMemoryBus();
  const secrets = new MemorySecretStore();
  const memory = makeMemoryTokenStore();
  const makeAuthority = (store: TokenStore): JoinAuthority =>
    new JoinAuthority({ founder: 'east', authority: hub, store, bus, members: () => new Map(), removed: new RemovedMembers(secrets, hub.authorityPublicKey), clock: () => example.now, log: pino({ level: 'silent' }) });
  const example: ExampleFounder = {
    founder: makeAuthority(wrapStore(memory)),
    another: makeAuthority,
    hub,
    bus,
    store: memory,
    now: Date.UTC(2026, 0, 1),
    async createToken(cluster, options = {}) {
      const { token } = await example.founder.createToken({ cluster, ...options }, AbortSignal.timeout(60_000));
      const parsed = parseJoinToken(token);
      if (!parsed.ok) throw parsed.error;
      return parsed.value;
    },
    async redeem(token, applicant) {
      return readAnswer(await example.founder.redeem(encodeQuestion(token, applicant), token.bootstrapSeed, AbortSignal.timeout(60_000)));
    },
  };
  return example;
}

export function encodeQuestion(token: JoinToken, applicant: ExampleApplicant): Uint8Array {
  const { keys, cluster = token.cluster, trustDomain = `${cluster}.landbridge`, roots } = applicant;
  const question = { code: token.code, cluster, userPublicKey: keys.user.publicKey, recordPublicKey: keys.record.publicKey, trustDomain, roots: [...roots], network: '' };
  return encodeRedeemRequest(question, keys.record.privateKeyPem);
}

function readAnswer(bytes: Uint8Array): RedeemAnswer | LandbridgeError {
  const answer = parseRedeemAnswer(bytes);
  if (!answer.ok) throw new Error(answer.error);
  return answer.value.ok ? answer.value.value : answer.value.error;
}

export async function memberOnBus(example: ExampleFounder, cluster: string): Promise<Member | undefined> {
  const bytes = await example.bus.get(`members.${cluster}`, AbortSignal.timeout(60_000));
  if (bytes === undefined) return undefined;
  const opened = openMember(bytes, example.hub.authorityPublicKey);
  if (!opened.ok) throw new Error(opened.error);
  return opened.value.member;
}
