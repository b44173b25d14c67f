/** As much of the kubelet's side of CRI (k8s.io/cri-api, runtime.v1) as makes pods and containers. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { patient } from '@landbridge/lab/wait.ts';

const CALL_MS = patient(30_000);

export interface CriPod {
  readonly name: string;
  readonly uid: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface CriContainer {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
}

/** Of the namespace that all pods of tests are in. */
export const CRI_NAMESPACE = 'demo';

/** Fields by number; what is undefined is left out. */
type Fields = readonly (readonly [number, string | Uint8Array | undefined])[];

function message(fields: Fields): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of fields) {
    if (value === undefined) continue;
    writer.tag(number, WireType.LengthDelimited);
    if (typeof value === 'string') writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}

/** Field 1 of an answer, the identifier of what was made. */
function firstText(bytes: Uint8Array): string {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 1 && type === WireType.LengthDelimited) return reader.string();
    reader.skip(type, number);
  }
  return '';
}

const sandboxConfig = ({ name, uid, annotations = {} }: CriPod): Uint8Array =>
  message([
    [1, message([[1, name], [2, uid], [3, CRI_NAMESPACE]])],
    ...Object.entries(annotations).map(([key, value]) => [7, message([[1, key], [2, value]])] as const),
    [8, message([])],
  ]);

export class CriClient implements Disposable {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost', 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 200 });
  }

  async #call(method: string, request: Uint8Array): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    const asIs = (bytes: Uint8Array): Buffer => Buffer.from(bytes);
    this.#client.makeUnaryRequest(`/runtime.v1.RuntimeService/${method}`, asIs, (bytes) => bytes, request, { deadline: Date.now() + CALL_MS }, (error: ServiceError | null, answer?: Uint8Array) => {
      if (error === null) resolve(answer ?? new Uint8Array());
      else reject(new Error(`${method}: ${error.details}`));
    });
    return await promise;
  }

  /** Whether the runtime answers. */
  async isReady(): Promise<boolean> {
    return await this.#call('Version', message([])).then(() => true, () => false);
  }

  /** Returns the sandbox's identifier. */
  async runPodSandbox(pod: CriPod): Promise<string> {
    return firstText(await this.#call('RunPodSandbox', message([[1, sandboxConfig(pod)]])));
  }

  /** Returns the container's identifier. */
  async createContainer(sandbox: string, pod: CriPod, { name, image, command }: CriContainer): Promise<string> {
    const config = message([[1, message([[1, name]])], [2, message([[1, image]])], ...command.map((word) => [3, word] as const), [15, message([])]]);
    return firstText(await this.#call('CreateContainer', message([[1, sandbox], [2, config], [3, sandboxConfig(pod)]])));
  }

  async startContainer(container: string): Promise<void> {
    await this.#call('StartContainer', message([[1, container]]));
  }

  async stopPodSandbox(sandbox: string): Promise<void> {
    await this.#call('StopPodSandbox', message([[1, sandbox]]));
  }

  async removePodSandbox(sandbox: string): Promise<void> {
    await this.#call('RemovePodSandbox', message([[1, sandbox]]));
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
