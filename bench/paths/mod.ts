import type { Path } from '../path.ts';
import { haproxy } from './haproxy.ts';
import { landbridge } from './landbridge.ts';
import { nginx } from './nginx.ts';
import { nodeHttp2 } from './node-http2.ts';
import { none } from './none.ts';
import { rust } from './rust.ts';
import { ZTUNNEL, ztunnel } from './ztunnel.ts';

/** All ways to be compared, in the order of the tables. */
export const PATHS: readonly Path[] = [none, ...landbridge, rust, ztunnel, haproxy, nginx, nodeHttp2];

/** Those of a run that names none. */
export const USUAL_PATHS: readonly string[] = ['none', 'landbridge', 'rust', ...(ZTUNNEL === undefined ? [] : ['ztunnel']), 'haproxy', 'nginx', 'node-http2'];
/** Those of a quick run that names none. */
export const QUICK_PATHS: readonly string[] = ['none', 'landbridge', 'rust'];
/** What the others are compared with. */
export const YARDSTICK = 'rust';
