/**
 * Tests stand beside what they test: `*.test.ts` run, `*.test-d.ts` are only type-checked.
 */
import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', '**/dist/**', 'reports/out/**'];

export default defineConfig({
  test: {
    include: ['**/*.test.ts'],
    exclude,
    testTimeout: 120_000,
    maxWorkers: '100%',
    typecheck: {
      enabled: true,
      include: ['**/*.test-d.ts'],
      exclude,
      tsconfig: './tsconfig.test.json',
    },
  },
});
