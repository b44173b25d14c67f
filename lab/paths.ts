import { homedir } from 'node:os';
import path from 'node:path';

/** The clone that this file belongs to. */
export const REPOSITORY = path.resolve(import.meta.dirname, '..');

/** Built servers and images; survives `down`. */
export const CACHE = path.resolve(process.env['LANDBRIDGE_CACHE'] || path.join(homedir(), '.cache', 'landbridge'));

/**
 * Everything of a running lab, removed by `down`. One place for the whole machine, because the names of the
 * namespaces and cgroups are the machine's too.
 */
export const STATE = '/var/lib/landbridge-lab';

/** Held by a run that changes the lab; outside {@link STATE}, so that `down` can remove that while it holds the lock. */
export const LOCK = '/run/landbridge-lab.lock';

export const stateFile = path.join(STATE, 'state.json');
export const hubDirectory = path.join(STATE, 'hub');
export const clusterDirectory = (cluster: string): string => path.join(STATE, 'clusters', cluster);
export const nodeDirectory = (node: string): string => path.join(STATE, 'nodes', node);
export const adminKubeconfig = (cluster: string): string => path.join(clusterDirectory(cluster), 'admin.conf');
