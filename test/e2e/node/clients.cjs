// Public MQTT clients of the npm registry, driven by lines of JSON: MQTT.js ("mqtt") and Paho JavaScript
// ("paho"). Run by test/e2e/node_clients.py: node clients.cjs FOLDER, which holds node_modules.
//
// In:  {id, op: "open" | "subscribe" | "publish" | "close" | "drop", ...}, many clients at a time.
// Out: {id, event: "connected" | "granted" | "published" | "message" | "closed" | "failed", ...}.
'use strict';
const { createRequire } = require('module');
const load = createRequire(process.argv[2] + '/');
const mqtt = load('mqtt');
global.WebSocket = load('ws'); // which Paho JavaScript expects of its browser
const paho = load('paho-mqtt');

const say = (id, event, more) => console.log(JSON.stringify({ id, event, ...more }));
const clients = new Map();

// MQTT.js; every option of its connect() can be given.
class MqttJs {
  constructor(id, { url, options }) {
    this.id = id;
    this.client = mqtt.connect(url, options);
    this.client.on('connect', (p) => say(id, 'connected', { present: p.sessionPresent, properties: p.properties }));
    this.client.on('message', (topic, payload, packet) => say(id, 'message', {
      topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain, dup: packet.dup,
      properties: packet.properties, correlation: packet.properties?.correlationData?.toString() }));
    this.client.on('close', () => say(id, 'closed', {}));
    this.client.on('disconnect', (packet) => say(id, 'disconnect', { reason: packet.reasonCode }));
    this.client.on('error', (error) => say(id, 'failed', { reason: String(error) }));
  }

  done(event, shown) {
    return (error, result) => (error ? say(this.id, 'failed', { reason: String(error) })
      : say(this.id, event, shown ? shown(result) : {}));
  }

  subscribe({ topic, options }) {
    this.client.subscribe(topic, options, this.done('granted', (all) => ({ codes: all.map((one) => one.qos) })));
  }

  publish({ topic, payload, options, number }) {
    if (options.properties?.correlationData) {
      options.properties.correlationData = Buffer.from(options.properties.correlationData);
    }
    this.client.publish(topic, payload, options, this.done('published', () => ({ number })));
  }

  close() { this.client.end(); }

  drop() { this.client.stream.destroy(); }
}

// Paho JavaScript: WebSocket only, 3.1 and 3.1.1.
class PahoJs {
  constructor(id, { url, options }) {
    this.id = id;
    this.numbers = [];
    this.client = new paho.Client(url, options.clientId);
    this.client.onMessageArrived = (m) => say(id, 'message', {
      topic: m.destinationName, payload: m.payloadString, qos: m.qos, retain: m.retained, dup: m.duplicate });
    this.client.onMessageDelivered = () => say(id, 'published', { number: this.numbers.shift() });
    this.client.onConnectionLost = () => say(id, 'closed', {});
    this.client.connect({
      mqttVersion: options.protocolVersion, cleanSession: options.clean ?? true,
      onSuccess: () => say(id, 'connected', {}),
      onFailure: (failure) => say(id, 'failed', { reason: failure.errorMessage }) });
  }

  subscribe({ topic, options }) {
    this.client.subscribe(topic, {
      qos: options.qos,
      onSuccess: (answer) => say(this.id, 'granted', { codes: [...answer.grantedQos] }),
      onFailure: (failure) => say(this.id, 'failed', { reason: failure.errorMessage }) });
  }

  publish({ topic, payload, options, number }) {
    this.numbers.push(number);
    this.client.send(topic, payload, options.qos, options.retain ?? false);
  }

  close() { this.client.disconnect(); }
}

const kinds = { mqtt: MqttJs, paho: PahoJs };
require('readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, op, ...more } = JSON.parse(line);
  try {
    if (op === 'open') clients.set(id, new kinds[more.library](id, more));
    else clients.get(id)[op](more);
  } catch (error) {
    say(id, 'failed', { reason: String(error) });
  }
}).on('close', () => process.exit(0));
