/** The mirror of the hub's bucket at the leaf node: when it is made, and when it is thrown away and made anew. */
import { type JetStreamManager, jetstreamManager, JetStreamApiError, StorageType, type StreamConfig, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { STREAM } from '../bus/bucket-delivery.ts';
import { HUB_DOMAIN, leafInboxPrefix } from '../join/hub-users.ts';

/** By it a mirror says of which life of the hub's bucket it is: the time at which that was made, as the hub says it. */
const OF_BUCKET = 'landbridge.dev/bucket-created';
const REQUEST_TIMEOUT_MS = 5000;
const NO_STREAM = 10_059;

/** How far a stream is. */
export interface StreamPosition {
  /** Of the hub's stream its creation time, of a mirror that of the stream that it is of. */
  readonly bucket: string;
  /** The newest message. */
  readonly lastSequence: number;
}

/**
 * A mirror goes on from its last sequence number. Of another life of the bucket, or of one that lost its newest messages, that
 * number means something else: the mirror would miss what was written since, without anybody noticing.
 */
export function isMirrorOf(mirror: StreamPosition, hub: StreamPosition): boolean {
  return mirror.bucket === hub.bucket && mirror.lastSequence <= hub.lastSequence;
}

export interface KeptMirror {
  readonly outcome: 'kept' | 'made' | 'made anew';
  /** Messages that the hub has had since the mirror's newest one. */
  readonly lag: number;
}

/** Has the leaf node mirror the bucket that the hub has now. */
export async function keepMirror(leaf: NatsConnection, hub: NatsConnection, cluster: string): Promise<KeptMirror> {
  const [here, there] = await Promise.all([leaf, hub].map((connection) => jetstreamManager(connection, { checkAPI: false, timeout: REQUEST_TIMEOUT_MS }))) as [JetStreamManager, JetStreamManager];
  // First the mirror, whose newest message the hub had before.
  const mirror = await streamInfo(here);
  const bucket = await there.streams.info(STREAM);
  const lastSequence = bucket.state.last_seq;
  const of = mirror?.config.metadata?.[OF_BUCKET] ?? '';
  if (mirror !== undefined && isMirrorOf({ bucket: of, lastSequence: mirror.state.last_seq }, { bucket: bucket.created, lastSequence })) return { outcome: 'kept', lag: lastSequence - mirror.state.last_seq };
  if (mirror !== undefined) await here.streams.delete(STREAM);
  await here.streams.add(mirrorConfig(cluster, bucket.created));
  return { outcome: mirror === undefined ? 'made' : 'made anew', lag: lastSequence };
}

async function streamInfo(jsm: JetStreamManager): Promise<StreamInfo | undefined> {
  return await jsm.streams.info(STREAM).catch((thrown: unknown) => {
    if (thrown instanceof JetStreamApiError && thrown.code === NO_STREAM) return undefined;
    throw thrown;
  });
}

function mirrorConfig(cluster: string, created: string): Partial<StreamConfig> & { name: string } {
  return {
    name: STREAM,
    storage: StorageType.File,
    max_msgs_per_subject: 1,
    // The hub delivers where it lets this cluster's leaf node listen, and nobody else.
    mirror: { name: STREAM, external: { api: `$JS.${HUB_DOMAIN}.API`, deliver: leafInboxPrefix(cluster) } },
    metadata: { [OF_BUCKET]: created },
  };
}
