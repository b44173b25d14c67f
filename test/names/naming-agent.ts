import type { Capture, CapturedPod } from '@landbridge/agent/capture/capture.ts';
import { type DnsResolver, forwardAll } from '@landbridge/agent/dns/dns-resolver.ts';
import { DnsService } from '@landbridge/agent/dns/dns-service.ts';
import { FileDescriptor } from '@landbridge/native/libc.ts';
import type { MeshPod } from '../mesh/mesh-pod.ts';

/** An agent that captures a pod and serves nothing but its queries for names. */
export interface NamingAgent extends AsyncDisposable {
  readonly pod: CapturedPod;
  readonly service: DnsService;
  /** Ends as an agent does when another one follows, or when it dies: the pod stays captured. */
  close(): Promise<void>;
}

export function nameFor(capture: Capture, { name, place }: MeshPod, resolver: DnsResolver = forwardAll): NamingAgent {
  const service = new DnsService(resolver);
  const pod = capture.capture({ ...place, capturesDns: true });
  const { outbound, plaintext, hbone } = pod.listeners;
  for (const fd of [...outbound, ...plaintext, ...hbone]) new FileDescriptor(fd)[Symbol.dispose]();
  service.add({ uid: place.uid, namespace: 'shop', name, serviceAccount: name, addresses: place.addresses, announced: true, wantsAcceleration: false }, pod);
  return {
    pod,
    service,
    close: async () => {
      await service[Symbol.asyncDispose]();
      pod[Symbol.dispose]();
    },
    [Symbol.asyncDispose]: async () => {
      await service[Symbol.asyncDispose]();
      capture.release(pod);
    },
  };
}
