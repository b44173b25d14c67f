import type { ServerDuplexStream } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { ControlPlaneAccess } from '@landbridge/agent/identity/ca-client.ts';
import { exampleAuthority } from '@landbridge/federation/ca/example-authority.ts';
import { startGrpcServer } from '@landbridge/federation/grpc-server.ts';
import type { ExampleResource } from './example-mesh.ts';

export type Call = ServerDuplexStream<Buffer, Buffer>;

/** A control plane that agents ask for names. */
export interface DiscoveryServer extends AsyncDisposable {
  readonly access: ControlPlaneAccess;
  /** Whether our own, which also tells roots. */
  readonly asksForTrust: boolean;
  /** What there is from now on. */
  set(resources: readonly ExampleResource[]): void;
  /** Ends all streams. */
  cut(): void;
}

export type StartServer = () => Promise<DiscoveryServer>;

/** Over TLS, as agents want it. */
export async function serve(asksForTrust: boolean, handle: (call: Call) => void, set: DiscoveryServer['set']): Promise<DiscoveryServer> {
  const authority = exampleAuthority('east.example');
  const certificate = await authority.issueServer(['localhost'], Date.now(), AbortSignal.timeout(60_000));
  const calls = new Set<Call>();
  const server = await startGrpcServer({
    port: 0,
    certificate,
    createCertificate: (_, reply) => reply({ code: status.UNIMPLEMENTED }),
    deltaAggregatedResources: (call: Call) => {
      calls.add(call);
      handle(call);
    },
  });
  return {
    access: { address: `https://localhost:${server.port}`, rootPem: () => Buffer.from(authority.rootsPem), token: () => 'a-token' },
    asksForTrust,
    set,
    cut: () => {
      for (const call of calls) call.emit('error', { code: status.UNAVAILABLE, details: 'cut' });
      calls.clear();
    },
    [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
  };
}
