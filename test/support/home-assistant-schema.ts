/**
 * The keys that Home Assistant documents for device discovery, and what each takes. Home Assistant ignores keys that it
 * does not know, so a slip of the pen would be silent; here it is an error.
 *
 * Written from https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload and the pages of the platforms:
 * https://www.home-assistant.io/integrations/camera.mqtt/, …/binary_sensor.mqtt/, …/sensor.mqtt/, …/number.mqtt/ and
 * …/select.mqtt/ (as of 2025), device classes from …/integrations/sensor/ and …/integrations/binary_sensor/.
 */
import { z } from 'zod';

/** A topic to subscribe or publish to, without wildcards. */
const topic = z.string().regex(/^[^+#\0]{1,65535}$/);
const template = z.string().regex(/\{\{.*\}\}/);
const qos = z.union([z.literal(0), z.literal(1), z.literal(2)]);
const category = z.enum(['config', 'diagnostic']);
const url = z.string().regex(/^(https?|homeassistant):\/\//);

const availability = {
  availability: z
    .array(
      z.strictObject({
        topic,
        payload_available: z.string().optional(),
        payload_not_available: z.string().optional(),
        value_template: template.optional(),
      }),
    )
    .optional(),
  availability_mode: z.enum(['all', 'any', 'latest']).optional(),
};

/** Keys of every entity. In device discovery each must have a unique_id. */
const entity = {
  ...availability,
  unique_id: z.string().min(1),
  name: z.string().min(1).nullable().optional(),
  icon: z
    .string()
    .regex(/^mdi:[a-z0-9-]+$/)
    .optional(),
  enabled_by_default: z.boolean().optional(),
  entity_category: category.optional(),
  entity_picture: url.optional(),
  json_attributes_topic: topic.optional(),
  json_attributes_template: template.optional(),
  encoding: z.string().optional(),
  qos: qos.optional(),
};

const camera = z.strictObject({
  ...entity,
  platform: z.literal('camera'),
  topic,
  image_encoding: z.literal('b64').optional(),
});

const binarySensor = z.strictObject({
  ...entity,
  platform: z.literal('binary_sensor'),
  state_topic: topic,
  device_class: z.enum(['connectivity', 'problem', 'running', 'motion', 'power']).optional(),
  expire_after: z.int().optional(),
  force_update: z.boolean().optional(),
  off_delay: z.int().optional(),
  payload_on: z.string().optional(),
  payload_off: z.string().optional(),
  value_template: template.optional(),
});

const sensor = z
  .strictObject({
    ...entity,
    platform: z.literal('sensor'),
    // A sensor is never a setting.
    entity_category: z.literal('diagnostic').optional(),
    state_topic: topic,
    device_class: z.enum(['duration', 'data_size', 'data_rate', 'timestamp', 'enum']).optional(),
    expire_after: z.int().optional(),
    force_update: z.boolean().optional(),
    options: z.array(z.string()).min(1).optional(),
    state_class: z.enum(['measurement', 'total', 'total_increasing']).optional(),
    suggested_display_precision: z.int().min(0).optional(),
    unit_of_measurement: z.string().optional(),
    value_template: template.optional(),
  })
  .refine(
    ({ device_class, unit_of_measurement: unit }) =>
      device_class !== 'duration' || /^(d|h|min|s|ms)$/.test(unit ?? ''),
  )
  .refine(
    ({ device_class, unit_of_measurement: unit }) =>
      device_class !== 'data_size' || /^[kMGT]?i?B$/.test(unit ?? ''),
  );

const command = {
  command_topic: topic,
  command_template: template.optional(),
  optimistic: z.boolean().optional(),
  retain: z.boolean().optional(),
};

const number = z
  .strictObject({
    ...entity,
    ...command,
    platform: z.literal('number'),
    state_topic: topic.optional(),
    device_class: z.string().optional(),
    min: z.number().optional(),
    max: z.number().optional(),
    step: z.number().min(0.001).optional(),
    mode: z.enum(['auto', 'box', 'slider']).optional(),
    payload_reset: z.string().optional(),
    unit_of_measurement: z.string().optional(),
    value_template: template.optional(),
  })
  .refine(({ min = 1, max = 100 }) => min < max);

const select = z.strictObject({
  ...entity,
  ...command,
  platform: z.literal('select'),
  state_topic: topic.optional(),
  options: z.array(z.string()),
  value_template: template.optional(),
});

/** https://www.home-assistant.io/integrations/event.mqtt/ */
const event = z.strictObject({
  ...entity,
  platform: z.literal('event'),
  state_topic: topic,
  event_types: z.array(z.string().min(1)).min(1),
  device_class: z.enum(['button', 'doorbell', 'motion']).optional(),
  value_template: template.optional(),
});

const device = z.strictObject({
  identifiers: z.array(z.string().min(1)).min(1),
  connections: z.array(z.tuple([z.string(), z.string()])).optional(),
  name: z.string().min(1),
  manufacturer: z.string().optional(),
  model: z.string().optional(),
  model_id: z.string().optional(),
  hw_version: z.string().optional(),
  sw_version: z.string().optional(),
  serial_number: z.string().optional(),
  suggested_area: z.string().optional(),
  via_device: z.string().optional(),
  configuration_url: url.optional(),
});

/** The payload of `homeassistant/device/ID/config`. */
export const deviceDiscovery = z.strictObject({
  ...availability,
  device,
  origin: z.strictObject({
    name: z.string().min(1),
    sw_version: z.string().optional(),
    support_url: url.optional(),
  }),
  components: z.record(
    z.string().min(1),
    z.discriminatedUnion('platform', [camera, binarySensor, sensor, number, select, event]),
  ),
  state_topic: topic.optional(),
  command_topic: topic.optional(),
  encoding: z.string().optional(),
  qos: qos.optional(),
});

/** What `<discovery_prefix>/<component>/[<node_id>/]<object_id>/config` may look like for a device. */
export const discoveryTopic = /^[\w/-]+\/device\/([a-zA-Z0-9_-]+\/)?[a-zA-Z0-9_-]+\/config$/;
