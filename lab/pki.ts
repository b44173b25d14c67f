import { generateKeyPairSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClusterPlan, NodePlan } from './plan.ts';
import { run } from './run.ts';

export interface CertificateRequest {
  /** File name without `.crt` and `.key`. */
  readonly name: string;
  readonly commonName: string;
  /** Kubernetes reads it as the group. */
  readonly organization?: string;
  /** OpenSSL's notation: `DNS:name` or `IP:address`. */
  readonly subjectAltNames?: readonly string[];
}

const DAYS = 365;
/** Without this OpenSSL would read the machine's configuration, which marks everything as a CA. */
const CONFIGURATION = 'openssl.cnf';
const EMPTY_CONFIGURATION = '[req]\ndistinguished_name = none\n[none]\n';

/** The certificates of a cluster's control plane, as kubeadm lays them out. */
export function controlPlaneCertificates(cluster: ClusterPlan): readonly CertificateRequest[] {
  return [
    {
      name: 'apiserver',
      commonName: 'kube-apiserver',
      subjectAltNames: [
        ...['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local', 'localhost'].map((name) => `DNS:${name}`),
        ...['127.0.0.1', cluster.controlPlane.address, cluster.kubernetesServiceAddress].map((address) => `IP:${address}`),
      ],
    },
    { name: 'apiserver-kubelet-client', commonName: 'kube-apiserver-kubelet-client', organization: 'system:masters' },
    { name: 'front-proxy-client', commonName: 'front-proxy-client' },
    { name: 'controller-manager', commonName: 'system:kube-controller-manager' },
    { name: 'scheduler', commonName: 'system:kube-scheduler' },
    { name: 'proxy', commonName: 'system:kube-proxy' },
    { name: 'admin', commonName: 'lab-admin', organization: 'system:masters' },
  ];
}

/** The certificates of one kubelet: as a client of the API server, and as a server to it. */
export function kubeletCertificates(node: NodePlan): readonly CertificateRequest[] {
  const identity = { commonName: `system:node:${node.name}`, organization: 'system:nodes' };
  return [
    { name: `kubelet-${node.name}`, ...identity },
    { name: `kubelet-server-${node.name}`, ...identity, subjectAltNames: [`DNS:${node.name}`, `IP:${node.address}`, 'IP:127.0.0.1'] },
  ];
}

/** Makes `ca.crt` and `ca.key`, the service account key and all certificates of a cluster in one directory. */
export async function makePki(directory: string, cluster: ClusterPlan, signal: AbortSignal): Promise<void> {
  await makeCertificates(directory, `lab-ca-${cluster.name}`, [...controlPlaneCertificates(cluster), ...cluster.nodes.flatMap(kubeletCertificates)], signal);
}

/** Makes `ca.crt` and `ca.key`, the service account key and what is requested, in one directory. */
export async function makeCertificates(directory: string, authority: string, requests: readonly CertificateRequest[], signal: AbortSignal): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  await writeFile(path.join(directory, CONFIGURATION), EMPTY_CONFIGURATION);
  await run(
    ['openssl', 'req', '-x509', '-config', CONFIGURATION, ...newKey('ca'), '-subj', `/CN=${authority}`, '-days', String(DAYS), '-out', 'ca.crt',
      '-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature', '-addext', 'subjectKeyIdentifier=hash'],
    { signal, cwd: directory },
  );
  await Promise.all([...requests.map((request) => issue(directory, request, signal)), makeServiceAccountKey(directory)]);
}

/** A kubeconfig with everything in it, as JSON, which is YAML too. */
export async function kubeconfig(directory: string, cluster: string, server: string, certificate: string): Promise<string> {
  const base64 = async (name: string): Promise<string> => (await readFile(path.join(directory, name))).toString('base64');
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: cluster, cluster: { server, 'certificate-authority-data': await base64('ca.crt') } }],
    users: [{ name: certificate, user: { 'client-certificate-data': await base64(`${certificate}.crt`), 'client-key-data': await base64(`${certificate}.key`) } }],
    contexts: [{ name: cluster, context: { cluster, user: certificate } }],
    'current-context': cluster,
  });
}

async function issue(directory: string, request: CertificateRequest, signal: AbortSignal): Promise<void> {
  const subject = `${request.organization === undefined ? '' : `/O=${request.organization}`}/CN=${request.commonName}`;
  const names = request.subjectAltNames === undefined ? [] : ['-addext', `subjectAltName=${request.subjectAltNames.join(',')}`];
  await run(
    ['openssl', 'req', '-x509', '-config', CONFIGURATION, '-CA', 'ca.crt', '-CAkey', 'ca.key', ...newKey(request.name), '-subj', subject, '-days', String(DAYS),
      '-out', `${request.name}.crt`, '-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'keyUsage=critical,digitalSignature',
      '-addext', 'extendedKeyUsage=serverAuth,clientAuth', ...names],
    { signal, cwd: directory },
  );
}

const newKey = (name: string): string[] => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc', '-keyout', `${name}.key`];

async function makeServiceAccountKey(directory: string): Promise<void> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(path.join(directory, 'sa.key'), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  await writeFile(path.join(directory, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
}
