/** Light, dark, or what the system says. Remembered in this browser. */

export type Theme = 'system' | 'light' | 'dark';
const KEY = 'heh-theme';

function stored(): Theme {
  try {
    const value = localStorage.getItem(KEY);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    return 'system';
  }
}

const system = matchMedia('(prefers-color-scheme: dark)');

export const theme = $state<{ choice: Theme; systemIsDark: boolean }>({ choice: stored(), systemIsDark: system.matches });
system.addEventListener('change', (change) => (theme.systemIsDark = change.matches));

export function applyTheme(): void {
  if (theme.choice === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.choice;
}

export function isDark(): boolean {
  return theme.choice === 'dark' || (theme.choice === 'system' && theme.systemIsDark);
}

export function switchTheme(): void {
  theme.choice = isDark() ? 'light' : 'dark';
  applyTheme();
  try {
    localStorage.setItem(KEY, theme.choice);
  } catch {
    // a browser that keeps nothing: the choice holds for this page
  }
}
