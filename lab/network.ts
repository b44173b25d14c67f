import { WAN, type LabPlan } from './plan.ts';
import { planNetwork } from './routes.ts';
import { run } from './run.ts';

/** By its path: npm puts programs of packages before those of the machine, and one of them has this name. */
const NFT = '/usr/sbin/nft';

/** Makes all network namespaces of the lab with their links, routes and settings. */
export async function makeNetwork(plan: LabPlan, signal: AbortSignal): Promise<void> {
  const namespaces = planNetwork(plan);
  await run(['ip', '-batch', '-'], { signal, input: namespaces.map(({ netns }) => `netns add ${netns}\n`).join('') });
  for (const { netns, commands, sysctls, ruleset } of namespaces) {
    // Before the links: what is born in the namespace takes its settings from there.
    const lines = Object.entries(sysctls).map(([file, value]) => `echo ${value} > /proc/sys/net/${file}`);
    await run(inNetwork(netns, ['sh', '-ec', lines.join('\n')]), { signal });
    await run(['ip', '-n', netns, '-batch', '-'], { signal, input: `${commands.join('\n')}\n` });
    if (ruleset !== undefined) await run(inNetwork(netns, [NFT, '-f', '-']), { signal, input: ruleset });
  }
}

/** The command line that runs a command in a network namespace, with this machine's files and processes. */
export function inNetwork(netns: string, argv: readonly string[]): readonly string[] {
  return ['nsenter', `--net=/run/netns/${netns}`, '--', ...argv];
}

/** Where kubectl, helm and the command of the product run: whoever has a route to all clusters. */
export const inWan = (argv: readonly string[]): readonly string[] => inNetwork(WAN, argv);
