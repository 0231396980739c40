# - 201 DEVICE=id
curl -X POST "$API/api/v1/devices" \
  -H "Authorization: Bearer $IOT_KEY" -H "Content-Type: application/json" \
  -H "Idempotency-Key: device-$UNIQUE" -d "{\"name\": \"weather-$UNIQUE\"}"

# - 202
curl -X POST "$API/api/v1/readings" \
  -H "Authorization: Bearer $IOT_KEY" -H "Content-Type: application/json" \
  -d "{\"deviceId\": \"$DEVICE\", \"readings\": [{\"sensorId\": \"dry-bulb\", \"timestamp\": \"$NOW\", \"value\": 21.5}]}"

# - 200 until 0.key=default COMPONENT=0.id
curl "$API/api/v1/devices/$DEVICE/components" -H "Authorization: Bearer $IOT_KEY"

# listComponents 200
curl "$API/api/v1/components?deviceId=$DEVICE" -H "Authorization: Bearer $IOT_KEY"

# listSensors 200 SENSOR=content.0.id
curl "$API/api/v1/sensors?componentId=$COMPONENT" -H "Authorization: Bearer $IOT_KEY"

# getReadingStats 200 until count=1
curl "$API/api/v1/readings/sensor/$SENSOR/stats" -H "Authorization: Bearer $IOT_KEY"

# getAggregatedReadings 200
curl "$API/api/v1/readings/sensor/$SENSOR/aggregated?bucket=PT5M&functions=AVG&functions=COUNT" \
  -H "Authorization: Bearer $IOT_KEY"

# queryReadingsBatch 200
curl -X POST "$API/api/v1/readings/batch" \
  -H "Authorization: Bearer $IOT_KEY" -H "Content-Type: application/json" \
  -d "{\"sensorIds\": [\"$SENSOR\"], \"mode\": \"LATEST\"}"

# listSites 200
curl "$API/api/v1/sites" -H "Authorization: Bearer $IOT_KEY"

# listDeviceGroups 200
curl "$API/api/v1/device-groups" -H "Authorization: Bearer $IOT_KEY"
