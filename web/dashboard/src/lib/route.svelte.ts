/** Which page is shown, by the address's fragment: back, forward and bookmarks work. */

export type Page = 'home' | 'events' | 'rpc';
const PAGES: Record<string, Page> = { '': 'home', '#home': 'home', '#events': 'events', '#rpc': 'rpc' };

/** `#rpc/get_time`: the page, and a place on it. */
function read(): { page: Page; place: string } | null {
  const [hash = '', place = ''] = location.hash.split('/');
  const page = PAGES[hash]; // others are places within a page
  return page ? { page, place: decodeURIComponent(place) } : null;
}

export const route = $state<{ page: Page; place: string }>(read() ?? { page: 'home', place: '' });
addEventListener('hashchange', () => {
  const found = read();
  if (found) Object.assign(route, found);
});
