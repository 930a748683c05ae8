// Compiled only: that the types are those of the API.
import type { paths } from "./typescript/okpuja";

type Order = paths["/api/server/payments/"]["post"]["requestBody"]["content"]["application/json"];
type Opened = paths["/api/server/payments/"]["post"]["responses"]["201"]["content"]["application/json"];

export const order: Order = {
  customer: { email: "radha@example.com", name: "Radha", phone: "98765 43210", language: "en" },
  service_type: "PUJA",
  puja_service: 1,
  package_id: 1,
  selected_date: "2026-12-24",
  selected_time: "10:00",
  reference: "CRM-1",
};

export async function book(url: string, key: string): Promise<string | null> {
  const answer = await fetch(`${url}/api/server/payments/`, {
    method: "POST",
    headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json", "Idempotency-Key": "0b9f6c6e-5d0e-4f3a" },
    body: JSON.stringify(order),
  });
  const opened = (await answer.json()) as Opened;
  return opened.payment_url;
}
