import type { ClusterPlan, NodePlan } from './plan.ts';

/** Where a node sees its own directory, the pinned servers and its logs. */
export const NODE_HOME = '/run/lab';
export const NODE_TOOLS = '/run/tools';
export const PAUSE_IMAGE = 'lab.local/pause:1';
export const CONTAINERD_SOCKET = '/run/containerd/containerd.sock';

const pki = (name: string): string => `${NODE_HOME}/pki/${name}`;

/** KubeletConfiguration, v1beta1. */
export function kubeletConfiguration(cluster: ClusterPlan, node: NodePlan): object {
  return {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: `unix://${CONTAINERD_SOCKET}`,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: pki('ca.crt') } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: pki('kubelet-server.crt'),
    tlsPrivateKeyFile: pki('kubelet-server.key'),
    clusterDomain: 'cluster.local',
    clusterDNS: [cluster.dnsAddress],
    resolvConf: `${NODE_HOME}/etc/resolv.conf`,
    registerWithTaints: node.role === 'control-plane' ? [{ key: 'node-role.kubernetes.io/control-plane', effect: 'NoSchedule' }] : [],
    // Hybrid machines still have version 1 hierarchies; the node's cgroups are not ours to reserve in.
    failCgroupV1: false,
    cgroupDriver: 'cgroupfs',
    enforceNodeAllocatable: [],
    // Lowering it needs CAP_SYS_RESOURCE, which a container that runs the lab may lack.
    oomScoreAdj: 0,
    failSwapOn: false,
    makeIPTablesUtilChains: false,
    // A lab's disk is the developer's own: nothing is evicted and no image removed because it is full.
    evictionHard: { 'memory.available': '0%', 'nodefs.available': '0%', 'imagefs.available': '0%', 'nodefs.inodesFree': '0%', 'imagefs.inodesFree': '0%' },
    imageGCHighThresholdPercent: 100,
    nodeStatusUpdateFrequency: '5s',
    // Parts start in any order: what waits for another shall not wait minutes more.
    crashLoopBackOff: { maxContainerRestartPeriod: '3s' },
    featureGates: { KubeletCrashLoopBackOffMax: true },
  };
}

/** KubeProxyConfiguration, v1alpha1. */
export function kubeProxyConfiguration(cluster: ClusterPlan, node: NodePlan): object {
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: `${NODE_HOME}/pki/proxy.conf` },
    hostnameOverride: node.name,
    clusterCIDR: cluster.podRange,
    // These are settings of the whole machine.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
}

/** CNI network configuration list 1.0.0. Addresses of pods are never translated here: see routes.ts. */
export function cniConfiguration(node: NodePlan): object {
  return {
    cniVersion: '1.0.0',
    name: 'lab',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isDefaultGateway: true,
        ipMasq: false,
        hairpinMode: true,
        ipam: { type: 'host-local', dataDir: '/run/cni-addresses', ranges: [[{ subnet: node.podRange }]] },
      },
      { type: 'portmap', capabilities: { portMappings: true } },
    ],
  };
}

/** containerd 2 (configuration version 3). */
export function containerdConfiguration(): string {
  const unused = ['btrfs', 'devmapper', 'erofs', 'zfs', 'blockfile'].map((name) => `'io.containerd.snapshotter.v1.${name}'`);
  return `version = 3
root = '/var/lib/containerd'
state = '/run/containerd'
disabled_plugins = [${unused.join(', ')}]
[grpc]
  address = '${CONTAINERD_SOCKET}'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '${PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  # Without CAP_SYS_RESOURCE every sandbox fails to lower its score.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['/opt/cni/bin', '/usr/lib/cni']
    conf_dir = '/etc/cni/net.d'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
`;
}

/** A server of a node: the name of its log and its command line inside the node. */
export interface Server {
  readonly name: string;
  readonly argv: readonly string[];
}

/** Finds a pinned server's path inside the node. */
export type ToolInNode = (name: 'containerd' | 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'kubelet' | 'kube-proxy') => string;

export function containerdServer(tool: ToolInNode): Server {
  return { name: 'containerd', argv: [tool('containerd'), '--config', `${NODE_HOME}/etc/containerd.toml`] };
}

export function kubeletServers(node: NodePlan, tool: ToolInNode): readonly Server[] {
  return [
    {
      name: 'kubelet',
      argv: [tool('kubelet'), `--config=${NODE_HOME}/etc/kubelet.json`, `--kubeconfig=${pki('kubelet.conf')}`, `--hostname-override=${node.name}`, `--node-ip=${node.address}`,
        `--node-labels=topology.kubernetes.io/region=lab,topology.kubernetes.io/zone=${node.name.split('-')[0]}`],
    },
    { name: 'kube-proxy', argv: [tool('kube-proxy'), `--config=${NODE_HOME}/etc/kube-proxy.json`] },
  ];
}

export function apiServers(cluster: ClusterPlan, tool: ToolInNode): readonly Server[] {
  const local = 'http://127.0.0.1:2379';
  return [
    // The lab's state does not outlive a power cut, so etcd need not wait for the disk.
    { name: 'etcd', argv: [tool('etcd'), '--data-dir=/var/lib/etcd', '--unsafe-no-fsync', `--listen-client-urls=${local}`, `--advertise-client-urls=${local}`, '--listen-peer-urls=http://127.0.0.1:2380', '--log-level=warn'] },
    {
      name: 'kube-apiserver',
      argv: [
        tool('kube-apiserver'),
        `--etcd-servers=${local}`,
        `--advertise-address=${cluster.controlPlane.address}`,
        '--secure-port=6443',
        `--service-cluster-ip-range=${cluster.serviceRange}`,
        '--allow-privileged=true',
        '--authorization-mode=Node,RBAC',
        '--enable-admission-plugins=NodeRestriction',
        `--client-ca-file=${pki('ca.crt')}`,
        `--tls-cert-file=${pki('apiserver.crt')}`,
        `--tls-private-key-file=${pki('apiserver.key')}`,
        '--service-account-issuer=https://kubernetes.default.svc.cluster.local',
        `--service-account-key-file=${pki('sa.pub')}`,
        `--service-account-signing-key-file=${pki('sa.key')}`,
        `--kubelet-certificate-authority=${pki('ca.crt')}`,
        `--kubelet-client-certificate=${pki('apiserver-kubelet-client.crt')}`,
        `--kubelet-client-key=${pki('apiserver-kubelet-client.key')}`,
        '--kubelet-preferred-address-types=InternalIP',
        `--requestheader-client-ca-file=${pki('ca.crt')}`,
        '--requestheader-allowed-names=front-proxy-client',
        '--requestheader-username-headers=X-Remote-User',
        '--requestheader-group-headers=X-Remote-Group',
        '--requestheader-extra-headers-prefix=X-Remote-Extra-',
        `--proxy-client-cert-file=${pki('front-proxy-client.crt')}`,
        `--proxy-client-key-file=${pki('front-proxy-client.key')}`,
      ],
    },
  ];
}

/** They end where their rights are not there yet, so they are started when the API server is ready. */
export function controllerServers(tool: ToolInNode): readonly Server[] {
  return [
    {
      name: 'kube-controller-manager',
      argv: [tool('kube-controller-manager'), ...clientFlags('controller-manager'), '--use-service-account-credentials', `--root-ca-file=${pki('ca.crt')}`,
        `--service-account-private-key-file=${pki('sa.key')}`, `--cluster-signing-cert-file=${pki('ca.crt')}`, `--cluster-signing-key-file=${pki('ca.key')}`, '--kube-api-qps=100', '--kube-api-burst=200'],
    },
    { name: 'kube-scheduler', argv: [tool('kube-scheduler'), ...clientFlags('scheduler')] },
  ];
}

function clientFlags(certificate: string): string[] {
  const file = pki(`${certificate}.conf`);
  return [`--kubeconfig=${file}`, `--authentication-kubeconfig=${file}`, `--authorization-kubeconfig=${file}`, '--leader-elect=false'];
}
