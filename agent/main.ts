import { readFileSync } from 'node:fs';
import { KubeConfig } from '@kubernetes/client-node';
import { fatalLine } from '@landbridge/core/errors.ts';
import pino from 'pino';
import { Capture } from './capture/capture.ts';
import { findCgroup2, readEnvironment } from './config.ts';
import { Balancer } from './discovery/route.ts';
import { Discovery } from './discovery/xds-client.ts';
import { startHealthServers } from './health-server.ts';
import { type ControlPlaneAccess, GrpcCertificateAuthority } from './identity/ca-client.ts';
import { CertificateStore } from './identity/certificate-store.ts';
import { KubernetesPodSource } from './pods/kubernetes-pod-source.ts';
import { PodCaptures } from './pods/pod-captures.ts';
import { AccessLog } from './proxy/access-log.ts';
import { HboneClient } from './proxy/hbone-client.ts';
import { Readiness } from './readiness.ts';

const READY_PORT = 15021;
const METRICS_PORT = 15020;

async function main(): Promise<void> {
  const environment = readEnvironment(process.env);
  const log = pino({ level: environment.LOG_LEVEL, base: { node: environment.NODE_NAME }, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: (level) => ({ level }) } });
  const stop = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  const { signal } = stop;
  const access = (address: string, rootFile: string): ControlPlaneAccess => ({ address, rootPem: () => readFileSync(rootFile), token: () => readFileSync(environment.TOKEN_FILE, 'utf8').trim() });

  const discovery = new Discovery(access(environment.XDS_ADDRESS, environment.XDS_ROOT_CA), { name: environment.POD_NAME, namespace: environment.POD_NAMESPACE, node: environment.NODE_NAME, cluster: environment.CLUSTER_ID }, log.child({ scope: 'discovery' }));
  const certificates = new CertificateStore(new GrpcCertificateAuthority(access(environment.CA_ADDRESS, environment.CA_ROOT_CA), environment.CLUSTER_ID), log.child({ scope: 'identity' }));
  await using tunnels = new HboneClient(() => discovery.bundles);
  const readiness = new Readiness(log.child({ scope: 'readiness' }));
  const discovered = readiness.register('state manager');
  const captured = readiness.register('proxy');
  void discovery.ready.then(() => discovered.done());
  await using _health = await startHealthServers({ readyPort: READY_PORT, metricsPort: METRICS_PORT, readiness, log: log.child({ scope: 'health' }) });
  using capture = new Capture({ cgroupRoot: environment.CGROUP_ROOT || findCgroup2(), bpfRoot: environment.BPF_ROOT });
  const kubernetes = new KubeConfig();
  kubernetes.loadFromDefault();
  await using captures = new PodCaptures(
    capture,
    new KubernetesPodSource(kubernetes, environment.NODE_NAME, log.child({ scope: 'pods' })),
    { cluster: environment.CLUSTER_ID, trustDomain: environment.TRUST_DOMAIN, network: environment.NETWORK, discovery, certificates, tunnels, balancer: new Balancer(), accessLog: new AccessLog(log), log: log.child({ scope: 'proxy' }) },
    log.child({ scope: 'capture' }),
  );
  log.info({ cluster: environment.CLUSTER_ID, trust_domain: environment.TRUST_DOMAIN }, 'agent started');
  await Promise.all([discovery.run(signal), captures.run(signal, () => captured.done())]);
  log.info('agent stops');
}

main().then(
  // Open connections must not keep a stopped agent alive.
  () => process.exit(0),
  (thrown: unknown) => {
    process.stderr.write(fatalLine(thrown));
    process.exit(1);
  },
);
