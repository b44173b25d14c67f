import { X509Certificate } from 'node:crypto';
import type { SpiffeId } from '@landbridge/core/identity.ts';
import { err, ok, type Result } from '@landbridge/core/result.ts';
import type { HandshakeResult } from '@landbridge/native/tls-handshake.ts';
import type { Failure } from '../hbone/failure.ts';
import { type TrustBundles, type VerifiedPeer, verifyChain } from '../identity/peer.ts';

/** Certificates whose verdict is remembered: a pod that dials again shows the same one. */
const MAX_REMEMBERED = 4096;
/** A verdict is made anew after this time, as roots and certificates expire. */
const REMEMBERED_MS = 60_000;

interface Verdict {
  readonly peer: VerifiedPeer;
  readonly untilMs: number;
}

/** Judges whose certificate a handshake has proven, by the bundles of this moment. */
export class PeerJudge {
  #bundles: TrustBundles = new Map();
  readonly #verdicts = new Map<string, Verdict>();

  trust(bundles: TrustBundles): void {
    this.#bundles = bundles;
    this.#verdicts.clear();
  }

  get bundles(): TrustBundles {
    return this.#bundles;
  }

  judge(result: HandshakeResult, nowMs: number): Result<VerifiedPeer, Failure> {
    if (result.protocol !== 'h2') return err({ reason: 'tls-no-protocol', text: 'the peer does not speak HTTP/2' });
    return this.judgeChain(result.peerChain, nowMs);
  }

  /** As {@link judge}, of certificates whose handshake is over: whether they would be accepted still. */
  judgeChain(peerChain: readonly Buffer[], nowMs: number): Result<VerifiedPeer, Failure> {
    const [leaf] = peerChain;
    if (leaf === undefined) return err({ reason: 'tls-no-certificate', text: 'the peer has no certificate' });
    const key = leaf.toString('latin1');
    const known = this.#verdicts.get(key);
    if (known !== undefined && nowMs < known.untilMs) return ok(known.peer);
    const chain: X509Certificate[] = [];
    try {
      for (const der of peerChain) chain.push(new X509Certificate(der));
    } catch {
      // OpenSSL took what Node.js does not: no identity can be read from it.
      return err({ reason: 'tls-certificate', text: 'the certificate can not be read' });
    }
    const verified = verifyChain(chain, this.#bundles, nowMs);
    if (!verified.ok) return verified;
    if (this.#verdicts.size >= MAX_REMEMBERED) this.#verdicts.clear();
    const until = Math.min(nowMs + REMEMBERED_MS, ...chain.map((certificate) => Date.parse(certificate.validTo)));
    this.#verdicts.set(key, { peer: verified.value, untilMs: until });
    return verified;
  }

  /** As {@link judge}, of a server of which it is known who it may be. */
  judgeServer(result: HandshakeResult, identities: readonly SpiffeId[], nowMs: number): Result<SpiffeId, Failure> {
    const peer = this.judge(result, nowMs);
    if (!peer.ok) return peer;
    if (identities.includes(peer.value.id)) return ok(peer.value.id);
    return err({ reason: 'identity', text: `the peer is ${peer.value.id}, where ${identities.join(' or ') || 'nobody'} was expected` });
  }
}
