import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { ok, type Result } from '@landbridge/core/result.ts';
import { ConfigureRequestSchema, EventRequestSchema, StateChangeEventSchema, SynchronizeRequestSchema } from '@landbridge/wire/gen/nri_pb.js';
import { NRI_EMPTY, NRI_PLUGIN_SERVICE, NRI_RUNTIME_SERVICE } from '@landbridge/wire/nri.ts';
import { encodeMuxFrames, MuxReader, PLUGIN_CHANNEL, RUNTIME_CHANNEL } from '@landbridge/wire/nri-mux.ts';
import type { TtrpcStatus } from '@landbridge/wire/ttrpc.ts';
import { TtrpcClient } from './ttrpc-client.ts';
import { TtrpcServer } from './ttrpc-server.ts';

export interface TestPod {
  readonly uid: string;
  readonly namespace?: string;
  readonly name: string;
  /** None in the host's network. */
  readonly networkNamespace?: string;
  readonly ips?: readonly string[];
}

const describe = ({ networkNamespace, ips = ['fd00::1', '10.0.0.1'], namespace = 'demo', ...pod }: TestPod) => ({ ...pod, id: `sandbox-${pod.name}`, namespace, ips: [...ips], linux: { namespaces: networkNamespace === undefined ? [] : [{ type: 'network', path: networkNamespace }] } });

/** A plugin's connection, from the runtime's side. */
export class TestPluginConnection {
  readonly #socket: Socket;
  readonly #client: TtrpcClient;
  readonly registered = Promise.withResolvers<Uint8Array>();
  readonly closed = Promise.withResolvers<void>();

  constructor(socket: Socket) {
    this.#socket = socket;
    const mux = new MuxReader();
    this.#client = new TtrpcClient((bytes) => void socket.write(encodeMuxFrames(PLUGIN_CHANNEL, bytes)));
    const server = new TtrpcServer(NRI_RUNTIME_SERVICE, async (_, payload) => {
      this.registered.resolve(payload);
      return ok(NRI_EMPTY);
    }, (bytes) => void socket.write(encodeMuxFrames(RUNTIME_CHANNEL, bytes)));
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      const read = mux.push(chunk);
      if (!read.ok) throw new Error(read.error);
      for (const { channel, bytes } of read.value) (channel === PLUGIN_CHANNEL ? this.#client : server).push(bytes);
    });
    socket.on('close', () => {
      this.#client[Symbol.dispose]();
      this.closed.resolve();
    });
  }

  /** What the plugin answers; a failed status where it does not do so in 10 s. */
  async call(method: string, payload: Uint8Array = NRI_EMPTY): Promise<Result<Uint8Array, TtrpcStatus>> {
    return await this.#client.call(NRI_PLUGIN_SERVICE, method, payload, 10_000);
  }

  async configure(requestTimeoutMs: number): Promise<Result<Uint8Array, TtrpcStatus>> {
    return await this.call('Configure', toBinary(ConfigureRequestSchema, create(ConfigureRequestSchema, { runtimeName: 'test', runtimeVersion: 'v0', requestTimeout: BigInt(requestTimeoutMs) })));
  }

  async synchronize(pods: readonly TestPod[], more = false): Promise<Result<Uint8Array, TtrpcStatus>> {
    return await this.call('Synchronize', toBinary(SynchronizeRequestSchema, create(SynchronizeRequestSchema, { pods: pods.map(describe), more })));
  }

  async event(event: string, pod: TestPod): Promise<Result<Uint8Array, TtrpcStatus>> {
    return await this.call(event, toBinary(EventRequestSchema, create(EventRequestSchema, { pod: describe(pod), container: { name: 'main' } })));
  }

  /** As runtimes before NRI 0.12 tell of sandboxes. */
  async stateChange(event: number, pod: TestPod): Promise<Result<Uint8Array, TtrpcStatus>> {
    return await this.call('StateChange', toBinary(StateChangeEventSchema, create(StateChangeEventSchema, { event, pod: describe(pod) })));
  }

  writeRaw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** The runtime's side of NRI, for tests. */
export class TestRuntime implements AsyncDisposable {
  readonly #directory = mkdtempSync(path.join(tmpdir(), 'landbridge-nri-'));
  readonly socket = path.join(this.#directory, 'nri.sock');
  #server: Server | undefined;
  readonly #connections: TestPluginConnection[] = [];
  readonly #waiting: ((connection: TestPluginConnection) => void)[] = [];

  async start(): Promise<void> {
    this.#server = createServer((socket) => {
      const connection = new TestPluginConnection(socket);
      const next = this.#waiting.shift();
      if (next === undefined) this.#connections.push(connection);
      else next(connection);
    });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(this.socket, resolve);
    await promise;
  }

  /** The socket's file goes with it. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#server === undefined) return;
    this.#server.close(() => resolve());
    this.#server = undefined;
    await promise;
  }

  /** The next plugin that connects, once it has registered. */
  async plugin(): Promise<TestPluginConnection> {
    const { promise, resolve } = Promise.withResolvers<TestPluginConnection>();
    const there = this.#connections.shift();
    if (there === undefined) this.#waiting.push(resolve);
    else resolve(there);
    const connection = await promise;
    await connection.registered.promise;
    return connection;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
