// A shop built on PhonePe's own Node SDK. `node node_sdk.js ADDRESS` prints as JSON what it has lived through.
const address = process.argv[2];
const { BaseUrl } = require("pg-sdk-node/dist/common/constants/BaseUrl");
const sdk = require("pg-sdk-node");

BaseUrl.SANDBOX.PG_HOST_URL = BaseUrl.SANDBOX.OAUTH_HOST_URL = `${address}/simulator/apis/pg-sandbox`;
const BACK = "http://shop.example/back";
const credentials = ["SIM-CLIENT", "sim-secret", 1, sdk.Env.SANDBOX, false];

async function control(path, body) {
  const answer = await fetch(`${address}/simulator/control/${path}`, { method: "POST", body: JSON.stringify(body) });
  return answer.json();
}

async function refused(call) {
  try {
    await call();
  } catch (refusal) {
    return [refusal.httpStatusCode, refusal.code];
  }
  return null;
}

async function onPhonePesPage(shop) {
  const order = sdk.StandardCheckoutPayRequest.builder().merchantOrderId("js-1").amount(10000).redirectUrl(BACK).build();
  const page = (await shop.pay(order)).redirectUrl;
  await control("orders/js-1/decide/", { outcome: "attempt_failed" });
  await control("orders/js-1/decide/", { outcome: "success" });
  const status = await shop.getOrderStatus("js-1", true);
  const paid = await shop.getTransactionStatus(status.paymentDetails[1].transactionId);
  const wanted = sdk.CreateSdkOrderRequest.StandardCheckoutBuilder().merchantOrderId("js-2").amount(10000).redirectUrl(BACK);
  const app = await shop.createSdkOrder(wanted.build());
  const told = (await control("orders/js-2/app/", { action: "pays", token: app.token })).told;
  const statusOfApp = await shop.getOrderStatus("js-2");
  return {
    page: page.startsWith(address),
    tries: status.paymentDetails.map((tried) => tried.state),
    paid: paid.state,
    app: [told, statusOfApp.state, statusOfApp.orderId === app.orderId, app.state],
    twice: await refused(() => shop.pay(order)),
    unknown: await refused(() => shop.getOrderStatus("nobody")),
  };
}

async function moneyBack(shop) {
  const wanted = sdk.RefundRequest.builder().merchantRefundId("js-r").originalMerchantOrderId("js-1").amount(10000).build();
  const asked = (await shop.refund(wanted)).state;
  await control("clock/", { advance: 5 });
  return [asked, (await shop.getRefundStatus("js-r")).state];
}

async function onAPageOfItsOwn(shop) {
  const wanted = sdk.CustomCheckoutPayRequest;
  const ways = {
    "js-intent": wanted.UpiIntentPayRequestBuilder().deviceOS("ANDROID").targetApp("com.phonepe.simulator"),
    "js-vpa": wanted.UpiCollectPayViaVpaRequestBuilder().vpa("success@ybl").message("Puja"),
    "js-qr": wanted.UpiQrRequestBuilder(),
    "js-bank": wanted.NetBankingPayRequestBuilder().bankId("SBIN").redirectUrl(BACK),
  };
  const lived = {};
  for (const [name, way] of Object.entries(ways)) {
    await shop.pay(way.merchantOrderId(name).amount(10000).build());
    await control(`orders/${name}/decide/`, { outcome: "success" });
    const status = await shop.getOrderStatus(name);
    lived[name] = [status.state, status.paymentDetails[0].paymentMode];
  }
  return lived;
}

async function main() {
  const shop = sdk.StandardCheckoutClient.getInstance(...credentials);
  const own = sdk.CustomCheckoutClient.getInstance(...credentials);
  const lived = {
    page: await onPhonePesPage(shop),
    refund: await moneyBack(shop),
    own: await onAPageOfItsOwn(own),
    unknown: await refused(() => own.getOrderStatus("nobody")),
  };
  process.stdout.write(JSON.stringify(lived));
}

main();
