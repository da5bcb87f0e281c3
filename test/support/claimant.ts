/** Claims the folder that is its first argument at the time that is its second, says whether it has it, and waits. */
import { claimFolder } from '#dev/running.ts';

const [folder = '', time] = process.argv.slice(2);
while (Date.now() < Number(time)) {
  // To start with the others, to the microsecond.
}
console.log('pid' in claimFolder(folder) ? 'lost' : 'won');
process.stdin.resume();
