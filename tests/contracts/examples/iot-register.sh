# getOpenApi 200
curl "$API/api/v3/api-docs"

# createRegistrationToken 201 TOKEN=token DEVICE=deviceId ENDPOINT=provisionEndpoint
curl -X POST "$API/api/v1/devices/registration/tokens" \
  -H "Authorization: Bearer $IOT_KEY" -H "Content-Type: application/json" \
  -d "{\"deviceName\": \"gateway-$UNIQUE\"}"

# provisionDevice 201
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$FOLDER/device.key" \
  -subj /CN=device -out "$FOLDER/device.csr" 2>/dev/null
curl -X POST "$ENDPOINT" -H "Content-Type: application/json" \
  -d "{\"token\": \"$TOKEN\", \"csr\": \"$(awk '{printf "%s\\n", $0}' "$FOLDER/device.csr")\"}"

# provisionDevice 409
curl -X POST "$API/api/v1/devices/provision" -H "Content-Type: application/json" \
  -d "{\"token\": \"$TOKEN\", \"csr\": \"$(awk '{printf "%s\\n", $0}' "$FOLDER/device.csr")\"}"

# listDevices 200
curl "$API/api/v1/devices?page=0&size=20&sort=name,asc" -H "Authorization: Bearer $IOT_JWT"

# getDeviceHealth 404
curl "$API/api/v1/devices/$DEVICE/health" -H "Authorization: Bearer $IOT_KEY"
