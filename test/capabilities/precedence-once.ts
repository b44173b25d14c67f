/** Has this process come first on the processors, as an agent that hands over does, and writes whether it may. */
import { comeFirst } from '@landbridge/agent/handover/process-precedence.ts';

using precedence = comeFirst(new Set());
process.stdout.write(precedence.isGranted ? 'first\n' : 'as usual\n');
