/** Which page is shown, by the address's fragment: back, forward and bookmarks work. */

export type Page = 'home' | 'events';
const PAGES: Record<string, Page> = { '': 'home', '#home': 'home', '#events': 'events' };

export const route = $state<{ page: Page }>({ page: PAGES[location.hash] ?? 'home' });
addEventListener('hashchange', () => {
  const page = PAGES[location.hash]; // others are places within a page
  if (page) route.page = page;
});
