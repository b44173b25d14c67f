/** Routing rules and routes of the network namespace that this thread is in, by rtnetlink(7). */
import koffi from 'koffi';
import { checkLibc, errnoOf, SystemCallError } from './errno.ts';
import { FileDescriptor, libc } from './libc.ts';

const library = koffi.load(null);
const callSend = library.func('int64_t send(int fd, const void *bytes, size_t size, int flags)');
const callRecv = library.func('int64_t recv(int fd, _Out_ void *bytes, size_t size, int flags)');

const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
const MSG_DONTWAIT = 0x40;

const NLMSG_ERROR = 2;
const HEADER_BYTES = 16;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
/** NLM_F_EXCL | NLM_F_CREATE: what is there already is an error, not a second one of it. */
const NLM_F_ADD = 0x600;
/** An ACK holds the request again, which is short here. */
const ANSWER_BYTES = 4096;

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;

const RTA_OIF = 4;
const RTA_TABLE = 15;
const RTN_LOCAL = 2;
const RT_SCOPE_HOST = 254;
const RT_SCOPE_NOWHERE = 255;
const RTPROT_STATIC = 4;

const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;
const FRA_FWMASK = 16;
const FR_ACT_TO_TBL = 1;
const FR_ACT_UNSPEC = 0;

export type Family = 'IPv4' | 'IPv6';

/** Looks packets with a mark up in a table: `ip rule add fwmark MARK/MASK lookup TABLE pref PREFERENCE`. */
export interface MarkRule {
  readonly family: Family;
  readonly mark: number;
  readonly mask: number;
  readonly table: number;
  readonly preference: number;
}

/** Delivers everything that a table is asked for to this machine: `ip route add local default dev DEVICE table TABLE`. */
export interface LocalRoute {
  readonly family: Family;
  /** Interface index. */
  readonly device: number;
  readonly table: number;
}

/** Returns false where the rule is there already. @throws SystemCallError */
export const addMarkRule = (rule: MarkRule): boolean => changed(request(RTM_NEWRULE, NLM_F_ADD, ruleBody(rule, FR_ACT_TO_TBL)), 'rule add', 'EEXIST');

/** Returns false where there is no such rule. @throws SystemCallError */
export const deleteMarkRule = (rule: MarkRule): boolean => changed(request(RTM_DELRULE, 0, ruleBody(rule, FR_ACT_UNSPEC)), 'rule delete', 'ENOENT');

/** Returns false where the route is there already. @throws SystemCallError */
export const addLocalRoute = (route: LocalRoute): boolean => changed(request(RTM_NEWROUTE, NLM_F_ADD, routeBody(route, RT_SCOPE_HOST)), 'route add', 'EEXIST');

/** Returns false where there is no such route. @throws SystemCallError */
export const deleteLocalRoute = (route: LocalRoute): boolean => changed(request(RTM_DELROUTE, 0, routeBody(route, RT_SCOPE_NOWHERE)), 'route delete', 'ESRCH');

/** struct fib_rule_hdr and its attributes (linux/fib_rules.h). */
function ruleBody({ family, mark, mask, table, preference }: MarkRule, action: number): Buffer {
  const header = Buffer.alloc(12);
  header[0] = family === 'IPv4' ? AF_INET : AF_INET6;
  header[4] = table;
  header[7] = action;
  return Buffer.concat([header, attribute(FRA_PRIORITY, preference), attribute(FRA_FWMARK, mark), attribute(FRA_FWMASK, mask), attribute(FRA_TABLE, table)]);
}

/** struct rtmsg and its attributes (linux/rtnetlink.h). */
function routeBody({ family, device, table }: LocalRoute, scope: number): Buffer {
  const header = Buffer.alloc(12);
  header[0] = family === 'IPv4' ? AF_INET : AF_INET6;
  header[4] = table;
  header[5] = RTPROT_STATIC;
  header[6] = scope;
  header[7] = RTN_LOCAL;
  return Buffer.concat([header, attribute(RTA_OIF, device), attribute(RTA_TABLE, table)]);
}

function attribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 2);
  bytes.writeUInt32LE(value, 4);
  return bytes;
}

/** Sends one request and returns the errno of its answer, 0 for success. The kernel has answered when send returns. */
function request(type: number, flags: number, body: Buffer): number {
  using socket = new FileDescriptor(checkLibc('netlink socket', libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)));
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32LE(HEADER_BYTES + body.length, 0);
  header.writeUInt16LE(type, 4);
  header.writeUInt16LE(NLM_F_REQUEST | NLM_F_ACK | flags, 6);
  const message = Buffer.concat([header, body]);
  checkLibc('netlink send', callSend(socket.number, message, message.length, 0) as number);
  const answer = Buffer.alloc(ANSWER_BYTES);
  const length = checkLibc('netlink receive', callRecv(socket.number, answer, answer.length, MSG_DONTWAIT) as number);
  return parseAcknowledgement(answer.subarray(0, length)) ?? errnoOf('EPROTO');
}

/** The errno that an NLMSG_ERROR message tells, 0 for success; undefined for anything else. */
export function parseAcknowledgement(message: Buffer): number | undefined {
  if (message.length < HEADER_BYTES + 4 || message.readUInt32LE(0) > message.length || message.readUInt16LE(4) !== NLMSG_ERROR) return undefined;
  const error = message.readInt32LE(HEADER_BYTES);
  if (error > 0) return undefined;
  return error === 0 ? 0 : -error;
}

function changed(errno: number, what: string, unchanged: string): boolean {
  if (errno === errnoOf(unchanged)) return false;
  if (errno !== 0) throw new SystemCallError(what, errno);
  return true;
}
