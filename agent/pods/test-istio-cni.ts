import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { waitFor } from '@landbridge/lab/wait.ts';
import type { SeqpacketSocket } from '@landbridge/native/seqpacket.ts';
import { SeqpacketListener } from '@landbridge/native/seqpacket-listener.ts';
import { WorkloadRequestSchema, WorkloadResponseSchema, ZdsHelloSchema } from '@landbridge/wire/gen/zds_pb.js';

type Payload = NonNullable<MessageInitShape<typeof WorkloadRequestSchema>['payload']>;

const MAX_PACKET_BYTES = 64 * 1024;
const soon = (): AbortSignal => AbortSignal.timeout(20_000);

/** One agent's connection, from istio-cni's side: one packet, one answer. */
export class TestZdsConnection {
  readonly #peer: SeqpacketSocket;

  constructor(peer: SeqpacketSocket) {
    this.#peer = peer;
  }

  /** The next packet of the agent; undefined where it has closed the connection. */
  async #read(): Promise<Uint8Array | undefined> {
    await this.#peer.readable(soon());
    const received = this.#peer.receive();
    if (received.kind === 'nothing') throw new Error('the agent said nothing');
    return received.kind === 'ended' ? undefined : received.bytes;
  }

  async hello(): Promise<number> {
    return fromBinary(ZdsHelloSchema, (await this.#read()) ?? new Uint8Array()).version;
  }

  /** The agent's answer: empty for success. */
  async ask(payload: Payload, descriptors: readonly number[] = []): Promise<string> {
    return await this.askRaw(toBinary(WorkloadRequestSchema, create(WorkloadRequestSchema, { payload })), descriptors);
  }

  async askRaw(packet: Uint8Array, descriptors: readonly number[] = []): Promise<string> {
    this.#peer.send(packet, descriptors);
    const answer = await this.#read();
    if (answer === undefined) throw new Error('the agent closed the connection');
    const { payload } = fromBinary(WorkloadResponseSchema, answer);
    if (payload.case !== 'ack') throw new Error('the agent answered something else');
    return payload.value.error;
  }

  /** `file`: of its network namespace. */
  async add(uid: string, file: string | undefined, name = uid, { namespace = 'demo', serviceAccount = 'sa' } = {}): Promise<string> {
    const descriptors = file === undefined ? [] : [openSync(file, 'r')];
    try {
      return await this.ask({ case: 'add', value: { uid, workloadInfo: { name, namespace, serviceAccount } } }, descriptors);
    } finally {
      descriptors.forEach(closeSync);
    }
  }

  async keep(uid: string): Promise<string> {
    return await this.ask({ case: 'keep', value: { uid } });
  }

  async delete(uid: string): Promise<string> {
    return await this.ask({ case: 'del', value: { uid } });
  }

  async snapshotSent(): Promise<string> {
    return await this.ask({ case: 'snapshotSent', value: {} });
  }

  async isClosed(): Promise<boolean> {
    return (await this.#read()) === undefined;
  }

  close(): void {
    this.#peer[Symbol.dispose]();
  }
}

/** istio-cni's side of ZDS, for tests. */
export class TestIstioCni implements Disposable {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'landbridge-zds-'));
  readonly socket = path.join(this.directory, 'ztunnel.sock');
  #server: SeqpacketListener | undefined;

  start(): void {
    this.#server = new SeqpacketListener(this.socket);
  }

  stop(): void {
    this.#server?.[Symbol.dispose]();
    this.#server = undefined;
    rmSync(this.socket, { force: true });
  }

  /** The next agent that connects. */
  async accept(): Promise<TestZdsConnection> {
    return new TestZdsConnection(await waitFor(() => this.#server?.accept(MAX_PACKET_BYTES), { signal: soon(), timeoutMs: 20_000, everyMs: 5, what: () => 'an agent that connects' }));
  }

  [Symbol.dispose](): void {
    this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
