// Keeps what a person prefers on the server. `preferences` are those of the page (frontend/preferences.py).

export async function save(preferences, changes) {
  const response = await fetch(preferences.url, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
    body: JSON.stringify(changes),
    keepalive: true,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer.preferences;
}

// Signing in again in another tab changes the token; the cookie has the new one.
function csrfToken() {
  const kept = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1];
  return kept ?? document.querySelector("[name=csrfmiddlewaretoken]").value;
}
